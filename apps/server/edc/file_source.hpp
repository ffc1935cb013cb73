#pragma once

#include "edc/error.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace edc {

/// Where study and rule files come from: a folder of the disk or files compiled into the program.
/// Paths use `/`, are relative to the source and never leave it. Safe to read from many threads.
class file_source {
public:
    virtual ~file_source() = default;

    /// What to call the source in messages, and the last part of its path.
    virtual std::string label() const = 0;
    virtual std::string base_name() const = 0;

    virtual bool has(std::string_view path) const = 0;

    /// The whole file; files beyond 256 MiB are refused.
    virtual result<std::string> read(std::string_view path) const = 0;

    /// Names of the files / folders directly below `folder` ("" is the source itself), sorted.
    virtual std::vector<std::string> files(std::string_view folder) const = 0;
    virtual std::vector<std::string> folders(std::string_view folder) const = 0;
};

/// `folder` and `name` joined; an empty folder adds nothing.
std::string join_path(std::string_view folder, std::string_view name);

/// A folder of the disk.
class directory_source final : public file_source {
public:
    explicit directory_source(std::filesystem::path root);

    std::string label() const override;
    std::string base_name() const override;
    bool has(std::string_view path) const override;
    result<std::string> read(std::string_view path) const override;
    std::vector<std::string> files(std::string_view folder) const override;
    std::vector<std::string> folders(std::string_view folder) const override;

private:
    std::filesystem::path root_;
};

/// Files held in memory by full path; what the build embeds, and what tests write.
class memory_source final : public file_source {
public:
    explicit memory_source(std::string name, std::map<std::string, std::string, std::less<>> files);

    std::string label() const override { return name_; }
    std::string base_name() const override { return name_; }
    bool has(std::string_view path) const override;
    result<std::string> read(std::string_view path) const override;
    std::vector<std::string> files(std::string_view folder) const override;
    std::vector<std::string> folders(std::string_view folder) const override;

private:
    std::string name_;
    std::map<std::string, std::string, std::less<>> files_;
};

/// The part of another source below one of its folders. Keeps a reference to it.
class folder_of final : public file_source {
public:
    folder_of(const file_source& whole, std::string folder);

    std::string label() const override;
    std::string base_name() const override;
    bool has(std::string_view path) const override;
    result<std::string> read(std::string_view path) const override;
    std::vector<std::string> files(std::string_view folder) const override;
    std::vector<std::string> folders(std::string_view folder) const override;

private:
    const file_source& whole_;
    std::string folder_;
};

} // namespace edc
