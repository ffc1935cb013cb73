#include "request_access.hpp"

#include <algorithm>
#include <corogate/http/router.hpp>
#include <stdexcept>

namespace corogate::http {
namespace {

/// `GET, HEAD, OPTIONS, POST`
std::string allow_list(std::vector<std::string> methods) {
    methods.emplace_back("OPTIONS");
    if (std::find(methods.begin(), methods.end(), "GET") != methods.end())
        methods.emplace_back("HEAD");
    std::sort(methods.begin(), methods.end());
    methods.erase(std::unique(methods.begin(), methods.end()), methods.end());
    std::string list;
    for (const std::string& one : methods)
        list.append(list.empty() ? "" : ", ").append(one);
    return list;
}

} // namespace

namespace {

route route_of(std::string_view method, route_options options, bool complete) {
    if (!complete)
        throw std::invalid_argument("a route needs a handler");
    route entry;
    entry.method = method;
    entry.options = std::move(options);
    return entry;
}

} // namespace

router&
router::add(std::string_view method, std::string_view pattern, handler run, route_options options) {
    route entry = route_of(method, std::move(options), run != nullptr);
    entry.run = std::move(run);
    return insert(pattern, std::move(entry));
}

router& router::add(
    std::string_view method, std::string_view pattern, admit_hook admit, admitted_handler run,
    route_options options
) {
    route entry = route_of(method, std::move(options), admit && run);
    entry.admit = std::move(admit);
    entry.run_admitted = std::move(run);
    return insert(pattern, std::move(entry));
}

router& router::add(
    std::string_view method, std::string_view pattern, async_admit_hook admit, admitted_handler run,
    route_options options
) {
    route entry = route_of(method, std::move(options), admit && run);
    entry.async_admit = std::move(admit);
    entry.run_admitted = std::move(run);
    return insert(pattern, std::move(entry));
}

router& router::insert(std::string_view pattern, route entry) {
    const bool upper = std::all_of(entry.method.begin(), entry.method.end(), [](char c) {
        return c >= 'A' && c <= 'Z';
    });
    if (entry.method.empty() || !upper)
        throw std::invalid_argument("the method of a route is not a word in upper case");
    entry.pattern = pattern;
    entry.needs = entry.options.needs(entry.method);
    resource& at = resource_for(pattern);
    std::vector<std::string> methods;
    for (const route& one : at.routes) {
        if (one.method == entry.method)
            throw std::invalid_argument(
                "the route " + entry.method + " " + std::string(pattern) + " exists"
            );
        methods.push_back(one.method);
    }
    methods.push_back(entry.method);
    at.allow = allow_list(std::move(methods));
    at.routes.push_back(std::move(entry));

    std::vector<std::string> all;
    for (const resource& each : resources_)
        for (const route& one : each.routes)
            all.push_back(one.method);
    allow_any_ = allow_list(std::move(all));
    return *this;
}

router::resource& router::resource_for(std::string_view pattern) {
    const std::string quoted = "the pattern '" + std::string(pattern) + "' ";
    if (pattern.empty() || pattern.front() != '/')
        throw std::invalid_argument(quoted + "does not begin with a slash");
    resource made;
    for (std::string_view rest = pattern; !rest.empty();) {
        rest.remove_prefix(1);
        const std::size_t end = std::min(rest.find('/'), rest.size());
        std::string_view text = rest.substr(0, end);
        rest.remove_prefix(end);
        const bool named = text.size() > 2 && text.front() == '{' && text.back() == '}';
        if (named)
            text = text.substr(1, text.size() - 2);
        if (text.find_first_of("{}") != std::string_view::npos)
            throw std::invalid_argument(quoted + "has a brace that encloses no whole segment");
        made.segments.push_back({std::string(text), named});
        made.shape += named ? 'n' : 'l';
    }

    const auto same_paths = [&made](const resource& other) {
        return std::equal(
            made.segments.begin(), made.segments.end(), other.segments.begin(),
            other.segments.end(),
            [](const segment& a, const segment& b) {
                return a.named == b.named && (a.named || a.text == b.text);
            }
        );
    };
    const auto same_names = [&made](const resource& other) {
        return std::equal(
            made.segments.begin(), made.segments.end(), other.segments.begin(),
            [](const segment& a, const segment& b) { return a.text == b.text; }
        );
    };
    const auto found = std::find_if(resources_.begin(), resources_.end(), same_paths);
    if (found != resources_.end()) {
        if (!same_names(*found))
            throw std::invalid_argument(quoted + "names its segments otherwise than one before");
        return *found;
    }
    const auto before = [](const resource& a, const resource& b) { return a.shape < b.shape; };
    const auto at = std::upper_bound(resources_.begin(), resources_.end(), made, before);
    return *resources_.insert(at, std::move(made));
}

router::match router::find(request& of) const {
    const auto& path = of.path_segments();
    const auto fits = [&path](const resource& candidate) {
        return std::equal(
            candidate.segments.begin(), candidate.segments.end(), path.begin(), path.end(),
            [](const segment& pattern, std::string_view text) {
                return pattern.named ? !text.empty() : pattern.text == text;
            }
        );
    };
    const auto at = std::find_if(resources_.begin(), resources_.end(), fits);
    match result;
    if (at == resources_.end())
        return result;
    result.allow = at->allow;

    const auto route_of = [&at](std::string_view method) -> const route* {
        for (const route& one : at->routes)
            if (one.method == method)
                return &one;
        return nullptr;
    };
    result.found = route_of(of.method());
    if (result.found == nullptr && of.method() == "HEAD")
        result.found = route_of("GET");

    auto& params = detail::request_access::params(of);
    params.clear();
    for (std::size_t i = 0; i < path.size(); ++i)
        if (at->segments[i].named)
            params.push_back({at->segments[i].text, path[i]});
    return result;
}

std::vector<const route*> router::routes() const {
    std::vector<const route*> all;
    for (const resource& each : resources_)
        for (const route& one : each.routes)
            all.push_back(&one);
    return all;
}

} // namespace corogate::http
