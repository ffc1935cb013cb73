#include "edc/file_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <system_error>
#include <utility>

namespace edc {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t max_file_size = 256U << 20U;

/// A path that stays below its source: relative, without `..` and without odd bytes.
bool stays_inside(std::string_view path) {
    if (path.find('\0') != std::string_view::npos || path.starts_with('/'))
        return false;
    for (const auto& part : fs::path{path})
        if (part == "..")
            return false;
    return true;
}

} // namespace

std::string join_path(std::string_view folder, std::string_view name) {
    std::string out{folder};
    if (!out.empty() && !name.empty())
        out += '/';
    out += name;
    return out;
}

directory_source::directory_source(fs::path root)
    : root_(std::move(root)) {}

std::string directory_source::label() const { return root_.string(); }

std::string directory_source::base_name() const {
    std::error_code ignored;
    auto full = fs::weakly_canonical(root_, ignored);
    if (ignored)
        full = root_.lexically_normal();
    return full.has_filename() ? full.filename().string() : full.parent_path().filename().string();
}

bool directory_source::has(std::string_view path) const {
    std::error_code ignored;
    return stays_inside(path) && fs::is_regular_file(root_ / path, ignored);
}

result<std::string> directory_source::read(std::string_view path) const {
    const auto full = root_ / path;
    if (!has(path))
        return error{fmt::format("{}: there is no such file", full.string())};
    std::error_code failed;
    const auto size = fs::file_size(full, failed);
    if (failed)
        return error{fmt::format("{}: the file cannot be read", full.string())};
    if (size > max_file_size)
        return error{fmt::format("{}: the file is larger than 256 MiB", full.string())};
    std::ifstream in{full, std::ios::binary};
    std::string text{std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
    if (!in.is_open() || in.bad())
        return error{fmt::format("{}: the file cannot be read", full.string())};
    return {boost::system::in_place_value, std::move(text)};
}

namespace {

std::vector<std::string> entries(const fs::path& where, bool want_folders) {
    std::vector<std::string> out;
    std::error_code failed;
    for (fs::directory_iterator at{where, failed}, end; !failed && at != end;
         at.increment(failed)) {
        std::error_code ignored;
        if (want_folders ? at->is_directory(ignored) : at->is_regular_file(ignored))
            out.push_back(at->path().filename().string());
    }
    std::sort(out.begin(), out.end());
    return out;
}

} // namespace

std::vector<std::string> directory_source::files(std::string_view folder) const {
    if (!stays_inside(folder))
        return {};
    return entries(root_ / folder, false);
}

std::vector<std::string> directory_source::folders(std::string_view folder) const {
    if (!stays_inside(folder))
        return {};
    return entries(root_ / folder, true);
}

memory_source::memory_source(
    std::string name, std::map<std::string, std::string, std::less<>> files
)
    : name_(std::move(name))
    , files_(std::move(files)) {}

bool memory_source::has(std::string_view path) const { return files_.find(path) != files_.end(); }

result<std::string> memory_source::read(std::string_view path) const {
    const auto found = files_.find(path);
    if (found == files_.end())
        return error{fmt::format("{}: there is no such file", join_path(name_, path))};
    return {boost::system::in_place_value, found->second};
}

std::vector<std::string> memory_source::files(std::string_view folder) const {
    const std::string front = folder.empty() ? "" : std::string{folder} + '/';
    std::vector<std::string> out;
    for (const auto& [path, text] : files_)
        if (path.starts_with(front) && path.find('/', front.size()) == std::string::npos)
            out.push_back(path.substr(front.size()));
    return out;
}

std::vector<std::string> memory_source::folders(std::string_view folder) const {
    const std::string front = folder.empty() ? "" : std::string{folder} + '/';
    std::set<std::string> out;
    for (const auto& [path, text] : files_) {
        if (!path.starts_with(front))
            continue;
        const auto end = path.find('/', front.size());
        if (end != std::string::npos)
            out.insert(path.substr(front.size(), end - front.size()));
    }
    return {out.begin(), out.end()};
}

folder_of::folder_of(const file_source& whole, std::string folder)
    : whole_(whole)
    , folder_(std::move(folder)) {}

std::string folder_of::label() const { return join_path(whole_.label(), folder_); }

std::string folder_of::base_name() const {
    return folder_.substr(folder_.rfind('/') + 1); // npos + 1 == 0
}

bool folder_of::has(std::string_view path) const { return whole_.has(join_path(folder_, path)); }

result<std::string> folder_of::read(std::string_view path) const {
    return whole_.read(join_path(folder_, path));
}

std::vector<std::string> folder_of::files(std::string_view folder) const {
    return whole_.files(join_path(folder_, folder));
}

std::vector<std::string> folder_of::folders(std::string_view folder) const {
    return whole_.folders(join_path(folder_, folder));
}

} // namespace edc
