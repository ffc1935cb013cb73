// The program that the crash tests kill. It prints one line for each acknowledged write.
//   durable_crash_writer FILE write   64 writes in flight; a line after each completion
//   durable_crash_writer FILE early N the control: lines from inside the transaction, before its
//                                     COMMIT; never commits what holds the N-th
//   durable_crash_writer FILE hold    opens the file, prints "open" and waits to be killed
#include <corogate/durable/store_thread.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

namespace asio = boost::asio;
namespace durable = corogate::durable;

namespace {

/// One write(2) a line: a kill never leaves half a line that counts.
void print(const std::string& text) {
    const std::string line = text + "\n";
    if (::write(STDOUT_FILENO, line.data(), line.size()) < 0)
        ::_exit(1);
}

[[noreturn]] void wait_to_be_killed() {
    for (;;)
        ::pause();
}

class writer {
public:
    writer(durable::database db, std::int64_t first, std::int64_t early)
        : next_(first)
        , stop_at_(first + early - 1)
        , early_(early > 0)
        , store_(std::move(db)) {}

    void run(int in_flight) {
        for (int i = 0; i < in_flight; ++i)
            start();
        context_.run();
    }

private:
    void start() {
        const auto id = next_++;
        auto insert = [this, id](durable::database& db) {
            db.run("INSERT INTO written(id, body) VALUES(?1, ?2)", id, std::string(200, 'x'));
            if (early_)
                print(std::to_string(id));
            if (early_ && id == stop_at_)
                wait_to_be_killed();
        };
        auto done = [this, id](const std::exception_ptr& error) {
            if (error)
                std::rethrow_exception(error);
            if (!early_)
                print(std::to_string(id));
            start();
        };
        store_.async_transact(std::move(insert), asio::bind_executor(context_, std::move(done)));
    }

    asio::io_context context_;
    std::int64_t next_;
    std::int64_t stop_at_;
    bool early_;
    durable::store_thread store_;
};

} // namespace

int main(int argc, char** argv) {
    if (argc < 3)
        return 2;
    try {
        durable::database db(argv[1]);
        const std::string_view mode = argv[2];
        if (mode == "hold") {
            print("open");
            wait_to_be_killed();
        }
        db.execute("CREATE TABLE IF NOT EXISTS written(id INTEGER PRIMARY KEY, body TEXT NOT NULL)"
        );
        std::int64_t first = 1;
        {
            auto row = db.query("SELECT coalesce(max(id), 0) + 1 FROM written");
            if (row.step())
                first = row.integer(0);
        }
        writer(std::move(db), first, argc > 3 ? std::stoll(argv[3]) : 0).run(64);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
}
