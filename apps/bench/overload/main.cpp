// The experiments of overload, for real: an open-loop generator, in this process against a
// task_pool and against what people write instead, or over HTTP against a server.
//
//   corogate-bench-overload pool EXPERIMENT [--work cpu|wait|small] [--seconds S] [--seed N]
//   [--long]
//                                [--json FILE]
//   corogate-bench-overload http EXPERIMENT --target HOST:PORT [--process PID] [--bare HOST:PORT]
//   ... corogate-bench-overload columns FILE KEY...     one line a row of a result, for gnuplot

#include "http_experiments.hpp"
#include "pool_experiments.hpp"

#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>
#include <sstream>

namespace {

using namespace overload;

shape work_named(const std::string& name) {
    shape of;
    if (name == "wait") {
        of.name = "wait";
        of.wait = 3ms;
    } else if (name == "small") {
        of.name = "small";
        of.cpu = 100us;
    }
    return of;
}

/// `a.b.0` of a document; null where there is no such thing.
json::value look_up(const json::value& in, std::string_view path) {
    const json::value* at = &in;
    while (!path.empty() && at) {
        const auto dot = path.find('.');
        const auto key = path.substr(0, dot);
        path = dot == path.npos ? std::string_view() : path.substr(dot + 1);
        if (at->is_object())
            at = at->as_object().if_contains(key);
        else if (at->is_array())
            at = at->as_array().if_contains(static_cast<std::size_t>(std::stoul(std::string(key))));
        else
            at = nullptr;
    }
    return at ? *at : json::value(nullptr);
}

std::string column(const json::value& of) {
    if (of.is_string())
        return '"' + std::string(of.as_string()) + '"';
    return of.is_null() ? "NaN" : json::serialize(of);
}

/// Where the first key leads to an array of the document: its elements, numbered; to a value: that.
/// Else a line a row, the keys being of rows.
void columns(const std::string& file, const std::vector<std::string>& keys) {
    std::ifstream from(file);
    std::stringstream text;
    text << from.rdbuf();
    const json::value document = json::parse(text.str());
    const json::value series = look_up(document, keys.front());
    if (series.is_array()) {
        std::size_t n = 0;
        for (const auto& value : series.as_array())
            std::cout << n++ << ' ' << column(value) << '\n';
        return;
    }
    if (!series.is_null()) {
        std::cout << column(series) << '\n';
        return;
    }
    for (const auto& row : document.at("rows").as_array()) {
        for (const auto& key : keys)
            std::cout << column(look_up(row, key)) << ' ';
        std::cout << '\n';
    }
}

} // namespace

int main(int argc, char** argv) {
    settings s;
    std::string work = "cpu";
    CLI::App app{"Experiments of overload with an open-loop generator.", "corogate-bench-overload"};
    app.require_subcommand(1);

    auto* pool = app.add_subcommand("pool", "in this process");
    pool->add_option("experiment", s.experiment, "which, or all")->required();
    pool->add_option("--work", work, "a task: 1 ms CPU; and 3 ms waiting; 0.1 ms CPU")
        ->check(CLI::IsMember({"cpu", "wait", "small"}));
    pool->add_option("--limiter", our_limiter(), "who moves the limit of our pool")
        ->check(CLI::IsMember({"adaptive", "fixed"}));
    pool->add_flag("--smoke", s.smoke, "only whether it works: a second or two");
    pool->footer("Experiments:\n" + pool_experiments());

    servers at;
    auto* http = app.add_subcommand("http", "against a server");
    http->add_option("experiment", s.experiment, "which")->required();
    http->add_option("--target", at.target, "corogate-server, started with --task-cpu 1ms")
        ->required();
    http->add_option("--process", at.process, "its process id, for the books of CPU");
    http->add_option("--bare", at.bare, "a bare Beast server to compare with");
    http->add_option("--connections", at.connections, "opened before a row");
    http->add_flag("--smoke", s.smoke, "only whether it works: some seconds");
    http->footer("Experiments:\n" + http_experiments());

    for (auto* of : {pool, http}) {
        of->add_option("--seconds", s.seconds, "of a row")->check(CLI::PositiveNumber);
        of->add_option("--tenants", s.tenants, "among whom saves are drawn evenly")
            ->check(CLI::Range(1, 1000000));
        of->add_option("--seed", s.seed, "of the arrivals");
        of->add_flag("--long", s.at_length, "enough saves behind every 99.9 %: minutes");
        of->add_option("--json", s.json, "write the result there (a folder, for all)");
        of->add_option("--about", s.about, "goes into the result: commit, machine");
    }

    std::string file;
    std::vector<std::string> keys;
    auto* print = app.add_subcommand("columns", "a result as columns of text, one line a row");
    print->add_option("file", file)->required();
    print->add_option("key", keys, "such as load or cpu.workers")->required();

    CLI11_PARSE(app, argc, argv);
    s.work = work_named(work);
    try {
        if (*pool)
            run_pool_experiment(s);
        else if (*http)
            run_http_experiment(s, at);
        else
            columns(file, keys);
    } catch (const std::exception& error) {
        std::cerr << "corogate-bench-overload: " << error.what() << '\n';
        return 1;
    }
    return 0;
}
