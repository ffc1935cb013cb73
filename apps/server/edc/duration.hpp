#pragma once

#include <string_view>

namespace edc {

/// True if the text is an ISO 8601 duration: `P[nY][nM][nD][T[nH][nM][nS]]` or `PnW`, at least one
/// component, at least one after `T`, a decimal fraction (`.` or `,`) in the last component only.
/// A leading `-` is accepted if `negative`.
bool is_duration(std::string_view text, bool negative) noexcept;

} // namespace edc
