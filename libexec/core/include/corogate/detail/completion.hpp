#pragma once

#include <boost/asio/append.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <type_traits>
#include <utility>

namespace corogate::detail {

/// A completion handler on its way: its associated executor (or `Fallback`) has work until it is
/// called, once, by post.
template <typename Handler, typename Fallback>
class completion {
public:
    completion(Handler handler, const Fallback& fallback)
        : handler_(std::move(handler))
        , executor_(tracked(boost::asio::get_associated_executor(handler_, fallback))) {}

    template <typename... Args>
    void post(Args&&... args) {
        boost::asio::post(
            executor_, boost::asio::append(std::move(handler_), std::forward<Args>(args)...)
        );
    }

private:
    template <typename Executor>
    static auto tracked(const Executor& executor) {
        return boost::asio::prefer(executor, boost::asio::execution::outstanding_work.tracked);
    }

    Handler handler_;
    decltype(tracked(boost::asio::get_associated_executor(
        std::declval<const Handler&>(), std::declval<const Fallback&>()
    ))) executor_;
};

} // namespace corogate::detail
