#pragma once

#include <boost/asio/cancellation_type.hpp>
#include <corogate/detail/cancel_link.hpp>
#include <corogate/detail/pool_core.hpp>
#include <memory>
#include <utility>
#include <vector>

namespace corogate::detail {

/// Lets a cancellation slot reach its tasks, wherever they are. The pool may be gone by then.
template <typename Slot>
void cancel_through(
    Slot slot, const std::shared_ptr<pool_core>& core, std::vector<cancel_link_ptr> links
) {
    slot.assign([weak = std::weak_ptr<pool_core>(core),
                 links = std::move(links)](asio::cancellation_type type) {
        if (type == asio::cancellation_type::none)
            return;
        if (const auto alive = weak.lock(); alive && alive->enter()) {
            for (const auto& link : links)
                alive->cancel(link, type);
            alive->leave();
        }
    });
}

template <typename Slot>
void cancel_through(
    Slot slot, const std::shared_ptr<pool_core>& core, const cancel_link_ptr& link
) {
    slot.assign([weak = std::weak_ptr<pool_core>(core), link](asio::cancellation_type type) {
        if (type == asio::cancellation_type::none)
            return;
        if (const auto alive = weak.lock(); alive && alive->enter()) {
            alive->cancel(link, type);
            alive->leave();
        }
    });
}

} // namespace corogate::detail
