// Fuzzes the guard and the parser behind it (libFuzzer): a message that they let through must be
// one that a strict reader, written down here on its own, sees in the same octets.

#include "http/message_reader.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using message = message_reader::message;

constexpr std::size_t most_body = 1000;

/// RFC 9112 read literally, without tolerance and without limits but that of the body. It does not
/// look at Host and Connection: there the guard may refuse what is read here.
class strict_reader {
public:
    explicit strict_reader(std::string_view octets)
        : rest_(octets) {
        if (rest_.starts_with("\r\n"))
            rest_.remove_prefix(2);
        while (auto one = read()) {
            messages.push_back(std::move(*one));
            if (rest_.starts_with("\r\n"))
                rest_.remove_prefix(2);
        }
    }

    std::vector<message> messages;

private:
    static bool is_token(std::string_view text) {
        constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
        for (char c : text)
            if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
                marks.find(c) == std::string_view::npos)
                return false;
        return !text.empty();
    }

    static bool is_clean(std::string_view text) {
        for (char c : text)
            if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f)
                return false;
        return true;
    }

    static bool same(std::string_view text, std::string_view lower) {
        if (text.size() != lower.size())
            return false;
        for (std::size_t i = 0; i < text.size(); ++i)
            if ((text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]) != lower[i])
                return false;
        return true;
    }

    /// The octets before the next CR LF; there may be neither CR nor LF among them.
    std::optional<std::string_view> line() {
        const std::size_t end = rest_.find("\r\n");
        if (end == std::string_view::npos || !is_clean(rest_.substr(0, end)))
            return std::nullopt;
        const std::string_view found = rest_.substr(0, end);
        rest_.remove_prefix(end + 2);
        return found;
    }

    std::optional<std::string_view> octets(std::size_t count) {
        if (rest_.size() < count)
            return std::nullopt;
        const std::string_view found = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return found;
    }

    std::optional<message> read() {
        message made;
        const auto first = line();
        if (!first)
            return std::nullopt;
        const std::size_t one = first->find(' ');
        const std::size_t two = first->rfind(' ');
        if (one == std::string_view::npos || one == two)
            return std::nullopt;
        made.method = first->substr(0, one);
        made.target = first->substr(one + 1, two - one - 1);
        const std::string_view version = first->substr(two + 1);
        if (!is_token(made.method) || made.target.empty() ||
            (version != "HTTP/1.1" && version != "HTTP/1.0"))
            return std::nullopt;
        for (char c : made.target)
            if (c <= 0x20 || c == 0x7f)
                return std::nullopt;

        std::vector<std::string_view> lengths;
        std::vector<std::string_view> codings;
        for (;;) {
            const auto field = line();
            if (!field)
                return std::nullopt;
            if (field->empty())
                break;
            const std::size_t colon = field->find(':');
            if (colon == std::string_view::npos || !is_token(field->substr(0, colon)))
                return std::nullopt;
            std::string_view value = field->substr(colon + 1);
            while (!value.empty() && (value.front() == ' ' || value.front() == '\t'))
                value.remove_prefix(1);
            while (!value.empty() && (value.back() == ' ' || value.back() == '\t'))
                value.remove_suffix(1);
            if (same(field->substr(0, colon), "content-length"))
                lengths.push_back(value);
            if (same(field->substr(0, colon), "transfer-encoding"))
                codings.push_back(value);
        }
        if (lengths.size() + codings.size() > 1)
            return std::nullopt;
        if (!codings.empty()) {
            if (version == "HTTP/1.0" || !same(codings[0], "chunked") || !read_chunks(made.body))
                return std::nullopt;
        } else if (!lengths.empty()) {
            const auto size = number(lengths[0], 10);
            const auto body = size ? octets(*size) : std::nullopt;
            if (!body)
                return std::nullopt;
            made.body = *body;
        }
        return made;
    }

    /// Nothing where it is no number, or more than a body may have.
    static std::optional<std::size_t> number(std::string_view text, unsigned base) {
        constexpr std::string_view digits = "0123456789abcdef";
        std::size_t value = 0;
        if (text.empty())
            return std::nullopt;
        for (char c : text) {
            const char lower = c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c;
            const std::size_t digit = digits.find(lower);
            if (digit >= base)
                return std::nullopt;
            value = value * base + digit;
            if (value > most_body)
                return std::nullopt;
        }
        return value;
    }

    /// *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted string ) ] )
    static bool are_extensions(std::string_view text) {
        const auto skip = [&text](auto&& fits) {
            while (!text.empty() && fits(text.substr(0, 1)))
                text.remove_prefix(1);
        };
        const auto skip_blanks = [&] {
            skip([](std::string_view c) { return c == " " || c == "\t"; });
        };
        const auto skip_token = [&] {
            const std::size_t before = text.size();
            skip([](std::string_view c) { return is_token(c); });
            return text.size() != before;
        };
        while (!text.empty()) {
            skip_blanks();
            if (!text.starts_with(';'))
                return false;
            text.remove_prefix(1);
            skip_blanks();
            if (!skip_token())
                return false;
            const std::string_view after_name = text;
            skip_blanks();
            if (!text.starts_with('=')) {
                text = after_name;
                continue;
            }
            text.remove_prefix(1);
            skip_blanks();
            if (!text.starts_with('"')) {
                if (!skip_token())
                    return false;
                continue;
            }
            std::size_t at = 1;
            while (at < text.size() && text[at] != '"')
                at += text[at] == '\\' ? 2U : 1U;
            if (at >= text.size())
                return false;
            text.remove_prefix(at + 1);
        }
        return true;
    }

    bool read_chunks(std::string& body) {
        for (;;) {
            const auto head = line();
            if (!head)
                return false;
            const std::size_t digits = std::min(head->find_first_of(" \t;"), head->size());
            const auto size = number(head->substr(0, digits), 16);
            if (!size || !are_extensions(head->substr(digits)))
                return false;
            if (*size == 0) {
                const auto end = line(); // no trailers
                return end && end->empty();
            }
            const auto data = octets(*size);
            const auto end = data ? line() : std::nullopt;
            if (!end || !end->empty())
                return false;
            body += *data;
            if (body.size() > most_body)
                return false;
        }
    }

    std::string_view rest_;
};

void check(bool holds, const char* what) {
    if (holds)
        return;
    std::cerr << "violated: " << what << std::endl;
    std::abort();
}

message_reader read(std::string_view octets, std::size_t piece) {
    message_reader reader([](std::string_view) { return most_body; });
    for (std::size_t at = 0; at < octets.size(); at += piece)
        reader.feed(octets.substr(at, piece));
    return reader;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view octets(reinterpret_cast<const char*>(data), size);
    if (octets.empty())
        return 0;
    const message_reader whole = read(octets, octets.size());
    const message_reader slow = read(octets, 1 + octets.size() % 5);
    check(whole.messages() == slow.messages(), "pieces do not change what is read");
    check((whole.refused() != 0) == (slow.refused() != 0), "pieces do not change a refusal");

    const std::vector<message> strict = strict_reader(octets).messages;
    const std::vector<message>& seen = whole.messages();
    check(seen.size() <= strict.size(), "no message that a strict reader does not see");
    for (std::size_t i = 0; i < seen.size(); ++i) {
        check(seen[i].method == strict[i].method, "the same method");
        check(seen[i].body == strict[i].body, "the same body");
        check(
            strict[i].target.ends_with(seen[i].target) || seen[i].target == "/", "the same target"
        );
    }
    if (whole.refused() == 0 && !whole.ended())
        check(seen.size() == strict.size(), "every message is read, or refused");
    return 0;
}
