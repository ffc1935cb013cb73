#include "edc/catalogue.hpp"

#include "edc/demo.hpp"

#include <fmt/format.h>

#include <system_error>
#include <utility>

namespace edc {
namespace {

result<void> must_be_folder(const std::filesystem::path& path) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(path, ignored))
        return error{fmt::format("{}: there is no such folder", path.string())};
    return {};
}

} // namespace

result<void> catalogue::add(study one) {
    const auto id = one.id();
    if (!studies_.emplace(id, std::make_shared<const study>(std::move(one))).second)
        return error{fmt::format("the study {} is given twice", id)};
    return {};
}

const study* catalogue::find(std::string_view id) const noexcept {
    const auto found = studies_.find(id);
    return found == studies_.end() ? nullptr : found->second.get();
}

std::shared_ptr<const study> catalogue::share(std::string_view id) const noexcept {
    const auto found = studies_.find(id);
    return found == studies_.end() ? nullptr : found->second;
}

catalogue catalogue::replacing(study one) const {
    catalogue out = *this;
    const auto id = one.id();
    out.studies_[id] = std::make_shared<const study>(std::move(one));
    return out;
}

std::vector<std::string> catalogue::ids() const {
    std::vector<std::string> out;
    for (const auto& [id, each] : studies_)
        out.push_back(id);
    return out;
}

result<catalogue> load_catalogue(
    const std::vector<std::filesystem::path>& studies,
    const std::optional<std::filesystem::path>& rules
) {
    std::shared_ptr<const rule_set> shared;
    if (rules) {
        if (auto folder = must_be_folder(*rules); !folder)
            return folder.error();
        auto loaded = load_rules(directory_source{*rules});
        if (!loaded)
            return loaded.error();
        shared = std::make_shared<const rule_set>(std::move(*loaded));
    }
    catalogue out;
    const auto add = [&](const file_source& from) -> result<void> {
        auto one = load_study(from, shared);
        if (!one)
            return one.error();
        return out.add(std::move(*one));
    };
    if (studies.empty())
        if (auto added = add(demo_files()); !added)
            return added.error();
    for (const auto& path : studies) {
        if (auto folder = must_be_folder(path); !folder)
            return folder.error();
        if (auto added = add(directory_source{path}); !added)
            return added.error();
    }
    return out;
}

} // namespace edc
