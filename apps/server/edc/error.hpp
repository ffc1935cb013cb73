#pragma once

#include <boost/system/result.hpp>

#include <stdexcept>
#include <string>
#include <utility>

namespace edc {

/// What was wrong with input, as one sentence a user can act on.
///
/// `field` names the place inside a JSON body (`datasets.VS[2].VSORRES`, indexes from 0) where
/// there is one, else it is empty. Values of the input are not repeated in either: they may be
/// personal data.
class error {
public:
    error() = default; // Boost.System asks for it; no failed result holds one
    explicit error(std::string message, std::string field = {})
        : message_(std::move(message))
        , field_(std::move(field)) {}

    const std::string& message() const noexcept { return message_; }
    const std::string& field() const noexcept { return field_; }

private:
    std::string message_;
    std::string field_;
};

/// A value, or the error that stood in its way. Nothing in this library throws on bad input. (A
/// `result<std::string>` is made with `in_place_value`, as a text alone could be either.)
template <class T>
using result = boost::system::result<T, error>;

/// For a caller that asks `value()` of a failed result; found by Boost.System.
[[noreturn]] inline void throw_exception_from_error(
    const error& what, const boost::source_location& /*where*/
) {
    throw std::runtime_error(what.message());
}

} // namespace edc
