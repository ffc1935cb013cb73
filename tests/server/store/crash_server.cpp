// The program that the crash test kills: a small server without HTTP. Eight workers save forms,
// record findings, and run jobs; it prints one line for each write that completed:
//   saved ID | checked ID | created ID | started ID | finished ID
//   store_crash_server DIR
#include "store/id_generator.hpp"
#include "store/store.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>

namespace asio = boost::asio;

namespace {

void print(const std::string& what, const std::string& id) {
    const std::string line = what + " " + id + "\n";
    if (::write(STDOUT_FILENO, line.data(), line.size()) < 0)
        ::_exit(1);
}

asio::awaitable<void> work(server::store& store, server::id_generator& ids) {
    const server::timestamp now{};
    for (int round = 0;; ++round) {
        server::form_record form;
        form.id = ids.form_id();
        form.study = "S";
        form.form = "VS";
        form.site = "site-" + std::to_string(round % 3);
        form.datasets = R"({"VS":[]})";
        form.data_points = 10;
        const auto form_id = form.id;
        co_await store.async_save_form(std::move(form), asio::use_awaitable);
        print("saved", form_id);
        std::vector<server::finding_record> findings(2);
        findings[0].rule = "R1";
        findings[1].rule = "R2";
        findings[1].skipped = "why";
        co_await store.async_record_findings(form_id, std::move(findings), asio::use_awaitable);
        print("checked", form_id);

        server::job_record job;
        job.id = ids.job_id();
        job.kind = "site-kri";
        job.study = "S";
        job.request = "{}";
        const auto job_id = job.id;
        co_await store.async_create_job(std::move(job), asio::use_awaitable);
        print("created", job_id);
        if (round % 3 == 0)
            continue;
        co_await store.async_start_job(job_id, now, asio::use_awaitable);
        print("started", job_id);
        if (round % 3 == 1)
            continue;
        server::job_outcome outcome;
        outcome.result = R"({"sites":3})";
        co_await store.async_finish_job(job_id, std::move(outcome), now, asio::use_awaitable);
        print("finished", job_id);
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2)
        return 2;
    try {
        asio::io_context context;
        server::id_generator ids;
        server::store store(argv[1]);
        auto ended = [](const std::exception_ptr& error) { std::rethrow_exception(error); };
        for (int worker = 0; worker < 8; ++worker)
            asio::co_spawn(context, work(store, ids), ended);
        context.run();
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
}
