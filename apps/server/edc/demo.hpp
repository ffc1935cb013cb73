#pragma once

#include "edc/file_source.hpp"

namespace edc {

/// The demo study (`apps/server/studies/demo`) as compiled into the program: `study/`, `rules/`,
/// `samples/`. Its base name is `demo`.
const file_source& demo_files();

} // namespace edc
