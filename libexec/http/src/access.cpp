#include "request_access.hpp"
#include "secret_file.hpp"
#include "text.hpp"

#include <algorithm>
#include <corogate/http/access.hpp>
#include <corogate/http/problem.hpp>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace corogate::http {
namespace {

namespace asio = boost::asio;

constexpr std::size_t least_token = 16;
constexpr std::size_t most_token = 512;
constexpr std::string_view hash_mark = "sha256:";
constexpr std::string_view blanks = " \t\r";

/// An octet of a bearer token; `=` only at its end, which is not checked.
bool is_bearer_char(char c) noexcept {
    return detail::is_alpha(c) || detail::is_digit(c) ||
           std::string_view("-._~+/=").find(c) != std::string_view::npos;
}

bool is_bearer_token(std::string_view text) noexcept {
    return text.size() >= least_token && text.size() <= most_token &&
           std::all_of(text.begin(), text.end(), is_bearer_char);
}

bool is_name(std::string_view text) noexcept {
    return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
        return detail::is_alpha(c) || detail::is_digit(c) || c == '.' || c == '_' || c == '-';
    });
}

std::array<unsigned char, 32> sha256(std::string_view text) {
    // Looking the algorithm up costs more than hashing a token.
    static const std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> algorithm(
        EVP_MD_fetch(nullptr, "SHA256", nullptr), &EVP_MD_free
    );
    std::array<unsigned char, 32> digest{};
    if (!algorithm ||
        EVP_Digest(text.data(), text.size(), digest.data(), nullptr, algorithm.get(), nullptr) != 1)
        throw std::runtime_error("SHA-256 is not available");
    return digest;
}

std::optional<std::array<unsigned char, 32>> read_hash(std::string_view hex) {
    std::array<unsigned char, 32> digest{};
    if (hex.size() != 2 * digest.size())
        return std::nullopt;
    for (std::size_t i = 0; i < hex.size(); ++i) {
        const char c = detail::to_lower(hex[i]);
        int value = 0;
        if (detail::is_digit(c))
            value = c - '0';
        else if (c >= 'a' && c <= 'f')
            value = c - 'a' + 10;
        else
            return std::nullopt;
        digest[i / 2] = static_cast<unsigned char>(digest[i / 2] * 16 + value);
    }
    return digest;
}

std::string_view next_word(std::string_view& rest) noexcept {
    rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
    const std::size_t end = std::min(rest.find_first_of(blanks), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(end);
    return word;
}

response
unauthorized(std::string_view reason, std::string_view detail, std::string_view challenge) {
    problem no(401, reason, detail);
    return no.executed(false).to_response().set("WWW-Authenticate", challenge);
}

asio::ip::address plain(const asio::ip::address& of) noexcept {
    if (of.is_v6() && of.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, of.to_v6());
    return of;
}

[[noreturn]] void fail(const std::string& sentence) { throw access_error(sentence); }

} // namespace

access::access() { here_.level = role::admin; }

access& access::others(role level) {
    elsewhere_.level = level;
    return *this;
}

access& access::add(std::string_view lines, std::string_view source) {
    std::vector<entry> all = entries_;
    for (std::size_t number = 1; !lines.empty(); ++number) {
        const std::size_t end = std::min(lines.find('\n'), lines.size());
        std::string_view line = lines.substr(0, end);
        lines.remove_prefix(std::min(end + 1, lines.size()));
        line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
        if (line.empty() || line.front() == '#')
            continue;
        try {
            entry made = read_entry(line);
            for (const entry& one : all) {
                if (one.who.name == made.who.name)
                    fail("the name '" + made.who.name + "' is there already");
                if (one.hash == made.hash)
                    fail("this is the token of '" + one.who.name + "'");
            }
            all.push_back(std::move(made));
        } catch (const access_error& wrong) {
            fail(
                "line " + std::to_string(number) + " of " + std::string(source) + ": " +
                wrong.what()
            );
        }
    }
    entries_ = std::move(all);
    return *this;
}

access::entry access::read_entry(std::string_view line) {
    const std::string_view name = next_word(line);
    const std::string_view level = next_word(line);
    const std::string_view tenant = next_word(line);
    const std::string_view token = next_word(line);
    if (token.empty() || !next_word(line).empty())
        fail("a token line is: name role tenant token");
    entry made;
    if (!is_name(name))
        fail("a name is 1 to 64 letters, digits, '.', '_' or '-'");
    made.who.name = name;
    const auto known = role_named(level);
    if (!known || *known == role::none)
        fail("a role is read, submit or admin");
    made.who.level = *known;
    if (tenant.size() > 200 || !std::all_of(tenant.begin(), tenant.end(), detail::is_value_char))
        fail("a tenant is 1 to 200 octets of text, or '-' for none");
    if (tenant != "-")
        made.who.tenant = tenant;
    made.who.by_token = true;
    if (token.starts_with(hash_mark)) {
        const auto hash = read_hash(token.substr(hash_mark.size()));
        if (!hash)
            fail("behind 'sha256:' stand 64 hexadecimal digits");
        made.hash = *hash;
    } else {
        if (!is_bearer_token(token))
            fail("a token is 16 to 512 letters, digits or one of -._~+/=");
        made.hash = sha256(token);
    }
    return made;
}

access& access::add_file(const std::filesystem::path& file) {
    const std::string content = detail::read_secret_file(file, "the token file", &fail);
    const std::size_t before = tokens();
    add(content, file.string());
    if (tokens() == before)
        fail("the token file " + file.string() + " has no token");
    return *this;
}

access& access::add_environment(const char* variable) {
    const char* const value = std::getenv(variable);
    if (value == nullptr)
        return *this;
    std::string lines = value;
    std::replace(lines.begin(), lines.end(), ';', '\n');
    const auto before = tokens();
    add(lines, variable);
    if (tokens() == before && !lines.empty())
        throw access_error(std::string(variable) + " is set and has no token in it");
    return *this;
}

const identity* access::find(std::string_view token) const {
    if (!is_bearer_token(token))
        return nullptr;
    const digest given = sha256(token);
    const identity* found = nullptr;
    for (const entry& one : entries_) // to the end, whatever is found
        if (CRYPTO_memcmp(one.hash.data(), given.data(), given.size()) == 0)
            found = &one.who;
    return found;
}

std::optional<response> access::check(request& of, role least) const {
    if (least == role::none) // asked by probes, all the time: nothing is looked up
        return std::nullopt;
    const identity* who = nullptr;
    if (entries_.empty()) {
        who = is_loopback(of.remote_address()) ? &here_ : &elsewhere_;
        detail::request_access::who(of, *who);
        if (who->level >= least)
            return std::nullopt;
        problem no(
            403, "only-local", "This server has no tokens, so it answers only its own machine."
        );
        return no.executed(false).to_response();
    }

    const auto& fields = of.headers();
    const auto is_authorization = [](const header_field& one) {
        return detail::equals_ignoring_case(one.name, "Authorization");
    };
    const auto given = std::find_if(fields.begin(), fields.end(), is_authorization);
    if (given == fields.end())
        return unauthorized(
            "token-missing", "This needs a token, in the field Authorization: Bearer.",
            "Bearer realm=\"corogate\""
        );
    constexpr std::string_view scheme = "bearer ";
    std::string_view value = given->value;
    if (detail::equals_ignoring_case(value.substr(0, scheme.size()), scheme) &&
        std::none_of(std::next(given), fields.end(), is_authorization)) {
        value.remove_prefix(scheme.size());
        value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
        who = find(value);
    }
    if (who == nullptr)
        return unauthorized(
            "token-unknown", "This server does not know the token.",
            "Bearer realm=\"corogate\", error=\"invalid_token\""
        );
    detail::request_access::who(of, *who);
    if (who->level >= least)
        return std::nullopt;
    problem no(
        403, "role-too-low",
        "This needs a token with the role " + std::string(to_string(least)) + "."
    );
    return no.executed(false).to_response().set(
        "WWW-Authenticate", "Bearer realm=\"corogate\", error=\"insufficient_scope\", scope=\"" +
                                std::string(to_string(least)) + "\""
    );
}

bool is_loopback(const asio::ip::address& of) noexcept { return plain(of).is_loopback(); }

std::string tenant_of(const request& of, std::string_view declared) {
    if (!of.who().tenant.empty())
        return of.who().tenant;
    const asio::ip::address from = plain(of.remote_address());
    if (from.is_loopback() || from.is_unspecified())
        return std::string(declared);
    if (from.is_v4())
        return from.to_string();
    auto octets = from.to_v6().to_bytes();
    std::fill(octets.begin() + 8, octets.end(), 0);
    return asio::ip::make_address_v6(octets).to_string() + "/64";
}

} // namespace corogate::http
