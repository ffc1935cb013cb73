#pragma once

#include <filesystem>
#include <optional>

namespace server {

/// Where the server keeps its data when nobody says where: `$XDG_STATE_HOME/corogate`, else
/// `$HOME/.local/state/corogate`. Takes the two variables as `getenv` returns them (null: not set);
/// an empty or relative one counts as not set. Nothing where neither is of use: then the user has
/// to name a folder.
std::optional<std::filesystem::path> default_data_dir(const char* xdg_state_home, const char* home);

/// Creates `dir` and its parents where missing; what it creates only the user may read. Throws
/// `corogate::durable::store_error` with one sentence that names the folder.
void prepare_data_dir(const std::filesystem::path& dir);

} // namespace server
