#pragma once

#include "experiments.hpp"

#include <iosfwd>
#include <string>
#include <vector>

namespace corogate::sim {

/// One mark of issue 4: what it is about, where it stands, and what came.
struct judged {
    std::string mark;
    std::string wanted;
    std::string came;
    bool met = false;
    /// What the alternatives reach in the same run.
    std::string others;
};

/// The marks that the rows say something about, of the contender of that name.
std::vector<judged> judge(const std::vector<row>& rows, const std::string& ours);

/// A line a row: the experiment's own metrics after those that every row has.
void print(std::ostream& out, const row& r);
void print(std::ostream& out, const std::vector<judged>& marks);

void write_json(
    std::ostream& out, const std::vector<row>& rows, const std::vector<judged>& marks,
    const std::string& command
);

} // namespace corogate::sim
