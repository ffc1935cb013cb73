#pragma once

#include "edc/error.hpp"
#include "edc/study.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace edc {

/// The studies a server knows, by id. Immutable once loaded; safe to read from many threads. A copy
/// shares the studies.
class catalogue {
public:
    /// An error if a study of that id is there already.
    result<void> add(study one);

    /// The study, or null. The pointer lives as long as this catalogue or a copy of it.
    const study* find(std::string_view id) const noexcept;
    /// The same for who keeps the study longer.
    std::shared_ptr<const study> share(std::string_view id) const noexcept;

    /// A catalogue with this study in place of the one of the same id; the others are shared.
    catalogue replacing(study one) const;

    std::vector<std::string> ids() const;

private:
    std::map<std::string, std::shared_ptr<const study>, std::less<>> studies_;
};

/// Loads every folder of `studies` with the rules of folder `rules` (or each study's own `rules`
/// folder if there is none). No study given: the demo study compiled into the program, with `rules`
/// in place of its own if given. Bad files are an error in one sentence; rules that cannot be
/// evaluated are listed in `study::rules().rejected` and reported with every save they would apply
/// to.
result<catalogue> load_catalogue(
    const std::vector<std::filesystem::path>& studies,
    const std::optional<std::filesystem::path>& rules
);

} // namespace edc
