#pragma once

#include "message_parser.hpp"

#include <corogate/http/guard.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// Reads messages from octets as a connection does, with the same guard and parser, but without a
/// socket, a route or an answer: what the framing alone makes of them.
class message_reader {
public:
    struct message {
        std::string method;
        std::string target;
        std::string body;
        bool operator==(const message&) const = default;
    };

    /// `limit_of(method)`: octets of body at most.
    explicit message_reader(std::size_t (*limit_of)(std::string_view))
        : limit_of_(limit_of) {}

    /// Takes further octets. After a refusal, or the last message of a connection: no effect.
    void feed(std::string_view octets) {
        input_ += octets;
        while (refused_ == 0 && !ended_ && step())
            ;
    }

    const std::vector<message>& messages() const noexcept { return messages_; }
    /// The status, 0: not refused.
    unsigned refused() const noexcept { return refused_; }
    /// The last message was to be the last one.
    bool ended() const noexcept { return ended_; }

private:
    using parser = corogate::http::detail::message_parser;

    /// False where more octets are needed.
    bool step() { return parser_ ? read_body() : read_head(); }

    bool read_head() {
        if (!guard_.scan(input_)) {
            refused_ = guard_.refused().status;
            return false;
        }
        head_ = input_.substr(guard_.skipped(), guard_.size());
        input_.erase(0, guard_.skipped() + guard_.size());
        guard_.reset();
        fields_.clear();
        body_.clear();
        parser_ = std::make_unique<parser>(fields_, body_);
        if (!parser_->parse_head(head_)) {
            refused_ = 400;
            return false;
        }
        const auto framing = corogate::http::check_head(
            parser_->method(), parser_->target(), parser_->minor(), fields_
        );
        refused_ = framing.refused.status;
        if (refused_ != 0)
            return false;
        const std::size_t limit = limit_of_(parser_->method());
        if (framing.content_length > limit) {
            refused_ = 413;
            return false;
        }
        parser_->body_limit_is(limit);
        target_ = framing.target;
        if (!framing.has_body())
            finish();
        return true;
    }

    bool read_body() {
        std::size_t taken = 0;
        const auto progress = parser_->parse_body(input_, taken);
        input_.erase(0, taken);
        if (progress == parser::progress::done)
            finish();
        else if (progress == parser::progress::too_large)
            refused_ = 413;
        else if (progress == parser::progress::malformed || input_.size() > 16 * 1024)
            refused_ = 400;
        return progress == parser::progress::done;
    }

    void finish() {
        messages_.push_back({std::string(parser_->method()), target_, body_});
        ended_ = !parser_->keep_alive();
        parser_.reset();
    }

    std::size_t (*limit_of_)(std::string_view);
    std::string input_;
    std::string head_;
    std::string target_;
    std::string body_;
    std::vector<corogate::http::header_field> fields_;
    corogate::http::guard guard_;
    std::unique_ptr<parser> parser_;
    std::vector<message> messages_;
    unsigned refused_ = 0;
    bool ended_ = false;
};
