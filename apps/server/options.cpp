#include "options.hpp"

#include <CLI/CLI.hpp>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <corogate/http/access.hpp>
#include <utility>

namespace server {

std::optional<std::chrono::milliseconds> read_duration(std::string_view text) noexcept {
    std::int64_t number = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    constexpr std::int64_t week = 7LL * 24 * 3600 * 1000;
    if (ec != std::errc() || number < 0 || number > week)
        return std::nullopt;
    std::int64_t scale = 0;
    if (unit == "ms")
        scale = 1;
    else if (unit == "s")
        scale = 1000;
    else if (unit == "m")
        scale = 60 * 1000;
    else if (unit == "h")
        scale = 3600 * 1000;
    if (scale == 0 || number > week / scale)
        return std::nullopt;
    return std::chrono::milliseconds(number * scale);
}

namespace {

/// An option whose text `read` understands, or a sentence that says what it wants.
template <typename T, typename Read>
CLI::Option*
add(CLI::App& app, const std::string& name, T& into, Read read, const std::string& wants,
    const std::string& help) {
    const auto take = [&into, read, wants, name](const CLI::results_t& given) {
        // The second one was meant to count, or the first one; who can tell?
        if (given.size() > 1)
            throw CLI::ValidationError(name + " is given more than once");
        if (const auto value = read(given.back())) {
            into = *value;
            return true;
        }
        throw CLI::ValidationError(name + " wants " + wants);
    };
    return app.add_option(name, take, help)
        ->type_name("")
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->expected(1);
}

/// An option that names a file or a folder.
template <typename T>
CLI::Option* add_path(
    CLI::App& app, const std::string& name, T& into, const char* kind, const std::string& help
) {
    const auto any = [](const std::string& text) -> std::optional<std::filesystem::path> {
        return text.empty() ? std::nullopt : std::optional<std::filesystem::path>(text);
    };
    const std::string wants = kind == std::string("DIR") ? "a folder" : "a file";
    return add(app, name, into, any, wants, help)->type_name(kind);
}

/// A whole number within bounds, nothing else.
auto whole(std::uint64_t least, std::uint64_t most) {
    return [=](const std::string& text) -> std::optional<std::uint64_t> {
        std::uint64_t number = 0;
        const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (ec != std::errc() || end != text.data() + text.size() || number < least ||
            number > most)
            return std::nullopt;
        return number;
    };
}

} // namespace

std::variant<options, leave> read_options(int argc, const char* const* argv) {
    options out;
    CLI::App app{
        "corogate-server: saves forms and runs their edit checks as coroutine tasks under a "
        "limit,\n"
        "analyses in the background, and says no at once when there is too much to do.",
        "corogate-server"
    };
    app.set_version_flag("--version", "corogate-server " COROGATE_VERSION, "print the version");
    app.get_formatter()->column_width(34);

    const auto port = [](const std::string& text) -> std::optional<std::uint16_t> {
        const auto number = whole(0, 65535)(text);
        return number ? std::optional(static_cast<std::uint16_t>(*number)) : std::nullopt;
    };
    const auto port_wants = "a port number from 0 to 65535 (0: a free one)";
    const auto duration_wants = "a duration such as 250ms, 2s, 1m or 1h";
    constexpr std::uint64_t most_tasks = (1u << 30) - 1;

    const auto address = [](const std::string& text) -> std::optional<std::string> {
        if (text == "localhost")
            return "127.0.0.1";
        boost::system::error_code bad;
        const auto read = boost::asio::ip::make_address(text, bad);
        return bad ? std::nullopt : std::optional(read.to_string());
    };

    add(app, "--address", out.address, address, "an IP address, or localhost",
        "address to listen on (default 127.0.0.1)");
    add(app, "--port", out.port, port, port_wants, "port to listen on (default 8080)");
    add(app, "--monitor-port", out.monitor_port, port, port_wants,
        "serve /metrics on a port of its own");
    add(app, "--limit", out.limit, whole(1, most_tasks), "a number of tasks from 1",
        "tasks that run at once (default: found while it runs, from 64 on)");
    add(app, "--queue", out.queue_tasks, whole(0, most_tasks), "a number of tasks from 0",
        "tasks that may wait (default 4096)");
    add(app, "--queue-time", out.queue_time, read_duration, duration_wants,
        "longest wait for a permit; what would wait longer is refused (default: places only)");
    add(app, "--save-time", out.save_time, read_duration, duration_wants,
        "time for a save whose client gives none (default 10s)");
    add(app, "--threads", out.threads, whole(1, 1024), "a number from 1 to 1024",
        "threads of the task pool (default: one a core)");
    add(app, "--io-threads", out.io_threads, whole(1, 64), "a number from 1 to 64",
        "threads for the network (default 1)");
    add(app, "--task-duration", out.task_duration, read_duration, duration_wants,
        "length of the simulated tasks of /tasks (default 2s)");
    add(app, "--task-cpu", out.task_cpu, read_duration, duration_wants,
        "time for which they compute first (default 0ms)");
    add(app, "--drain-timeout", out.drain_timeout, read_duration, duration_wants,
        "time for admitted work after SIGTERM (default 30s)");
    add_path(
        app, "--tokens", out.tokens, "FILE",
        "who may do what (default: COROGATE_TOKENS; see docs/12-access.md)"
    );
    add_path(
        app, "--tls-certificate", out.tls_certificate, "FILE",
        "speak TLS with this certificate chain; read again on SIGHUP"
    );
    add_path(app, "--tls-key", out.tls_key, "FILE", "and its private key");
    app.add_flag(
        "--insecure", out.insecure,
        "listen beyond this machine without TLS or without tokens all the same"
    );
    add_path(
        app, "--data", out.data, "DIR", "folder of the data file (default: the user's state folder)"
    );
    app.add_option("--study", out.studies, "a study to serve; may be repeated (default: the demo)")
        ->type_name("DIR");
    add_path(
        app, "--rules", out.rules, "DIR", "the rules of the studies (default: each study's own)"
    );
    app.add_option("--allow-host", out.allowed_hosts, "a further Host to answer to")
        ->type_name("HOST");
    add(app, "--log-level", out.log_least, log_level_named, "error, warning, info or debug",
        "what to log; info: a line a request (default warning)");
    add(app, "--log-format", out.log_as, log_format_named, "text or json",
        "key=value or JSON (default text)");
    add_path(app, "--log-file", out.log_file, "FILE", "where to log (default: standard error)");
    app.footer("Exit status: 0 drained, 2 bad configuration, 3 work was abandoned (it is listed),\n"
               "128 + signal on a second signal.");

    try {
        app.parse(argc, argv);
    } catch (const CLI::Success&) {
        const bool version = app["--version"]->count() > 0;
        return leave{0, version ? "corogate-server " COROGATE_VERSION "\n" : app.help()};
    } catch (const CLI::ParseError& e) {
        return leave{2, std::string("corogate-server: ") + e.what() + " (see --help)\n"};
    }
    if (out.tls_certificate.has_value() != out.tls_key.has_value())
        return leave{
            2, "corogate-server: --tls-certificate and --tls-key go together (see --help)\n"
        };
    out.adaptive = app["--limit"]->count() == 0;
    return out;
}

exposure exposure_of(const options& from, bool has_tokens) {
    exposure seen;
    const bool tls = from.tls_certificate.has_value();
    if (corogate::http::is_loopback(boost::asio::ip::make_address(from.address)) ||
        (tls && has_tokens))
        return seen;
    seen.allowed = from.insecure;
    const std::string who = has_tokens ? "whoever listens on the way can read tokens and data"
                            : tls      ? "whoever reaches it may bring work and read everything"
                                  : "whoever reaches it may bring work and read everything, and "
                                    "whoever listens on the way can read along";
    const std::string lacks = has_tokens ? "TLS" : tls ? "tokens" : "TLS and tokens";
    seen.sentence = "listening on " + from.address + " without " + lacks + ": " + who;
    if (!seen.allowed)
        seen.sentence += "; give " +
                         std::string(
                             has_tokens ? "--tls-certificate and --tls-key"
                             : tls      ? "--tokens"
                                        : "--tls-certificate, --tls-key and --tokens"
                         ) +
                         ", or --insecure";
    return seen;
}

} // namespace server
