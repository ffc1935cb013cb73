#pragma once

#include "report.hpp"

namespace overload {

/// Runs the experiment that the settings name, in this process. Throws where something that must
/// hold on any machine does not.
void run_pool_experiment(const settings& s);

/// The names, with a sentence each, for the help.
std::string pool_experiments();

} // namespace overload
