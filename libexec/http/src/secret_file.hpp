#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace corogate::http::detail {

/// The content of a file that holds a secret, of at most 1 MiB. Where it cannot be read, others can
/// read it, or group or others can write it, `fail` gets a sentence and throws. `what` is what the
/// sentence calls the file: "the token file".
std::string read_secret_file(
    const std::filesystem::path& file, std::string_view what,
    void (*fail)(const std::string& sentence)
);

} // namespace corogate::http::detail
