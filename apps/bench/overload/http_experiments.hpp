#pragma once

#include "report.hpp"

namespace overload {

/// Where the servers are.
struct servers {
    std::string target;           ///< corogate-server, host:port, with simulated tasks
    std::string process;          ///< its process id, for the books of processor time; may be empty
    std::string bare;             ///< corogate-bench-bare-beast, host:port; may be empty
    std::size_t connections = 64; ///< opened before a row; more as they are needed
};

/// Runs the experiment that the settings name, against a server.
void run_http_experiment(const settings& s, const servers& at);

std::string http_experiments();

} // namespace overload
