#pragma once

#include <corogate/detail/completion.hpp>
#include <corogate/detail/pool_core.hpp>
#include <corogate/detail/return_ticket.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace corogate::detail {

/// The way back of a task that waits for a crew, with what it will be told.
template <typename Handler, typename... Results>
class answer_ticket final : public return_ticket {
public:
    answer_ticket(runner& waits, Handler handler, pool_core& core)
        : return_ticket(waits)
        , completion_(std::move(handler), core.executor(), &core.completions_pending()) {}

    void keep(std::exception_ptr error, Results... results) noexcept {
        words_ = {std::move(error), std::move(results)...};
    }
    void resume(pool_core&) noexcept override {
        auto completion = std::move(completion_);
        auto words = std::move(words_);
        delete this;
        std::apply([&](auto&... word) { completion.post(std::move(word)...); }, words);
    }

private:
    completion<Handler, pool_executor> completion_;
    std::tuple<std::exception_ptr, Results...> words_;
};

/// Completes a wait for a crew: a handler, by post, or a task of the pool, which gets a permit
/// first.
template <typename Handler, typename Fallback, typename... Results>
class crew_answer {
public:
    /// `parent`: the task that waits, or null.
    crew_answer(Handler handler, runner* parent, const Fallback& fallback, pool_core& core) {
        if (parent)
            ticket_ = std::make_unique<ticket_type>(*parent, std::move(handler), core);
        else
            completion_.emplace(
                std::move(handler), fallback,
                std::is_same_v<Fallback, pool_executor> ? &core.completions_pending() : nullptr
            );
    }

    return_ticket* ticket() const noexcept { return ticket_.get(); }

    /// `lent`: the permit of the task that waits was.
    void tell(pool_core& core, bool lent, std::exception_ptr error, Results... results) noexcept {
        if (!ticket_) {
            auto completion = std::move(*completion_);
            completion.post(std::move(error), std::move(results)...);
            return;
        }
        auto* ticket = ticket_.release();
        ticket->keep(std::move(error), std::move(results)...);
        if (lent)
            core.come_back(ticket);
        else
            ticket->resume(core);
    }

private:
    using ticket_type = answer_ticket<Handler, Results...>;

    std::unique_ptr<ticket_type> ticket_;
    std::optional<completion<Handler, Fallback>> completion_;
};

} // namespace corogate::detail
