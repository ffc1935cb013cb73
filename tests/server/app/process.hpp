#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

extern char** environ;

namespace app {

/// No wait of these tests is longer: beyond it they fail and say what they waited for.
constexpr std::chrono::seconds longest_wait{60};

/// A program with its output. Whatever happens, it has ended when this object has.
class program {
public:
    explicit program(std::vector<std::string> command)
        : name_(command.front())
        , errors_(std::tmpfile()) {
        int ends[2];
        if (!errors_ || ::pipe2(ends, O_CLOEXEC) != 0)
            throw std::runtime_error("no pipe can be made");
        out_ = ends[0];
        std::vector<char*> arguments;
        for (auto& word : command)
            arguments.push_back(word.data());
        arguments.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        ::posix_spawn_file_actions_adddup2(&actions, ::fileno(errors_), STDERR_FILENO);
        const int code =
            ::posix_spawn(&pid_, name_.c_str(), &actions, nullptr, arguments.data(), environ);
        ::posix_spawn_file_actions_destroy(&actions);
        ::close(ends[1]);
        if (code != 0) {
            ::close(out_);
            std::fclose(errors_);
            throw std::runtime_error("cannot start " + name_);
        }
    }
    program(const program&) = delete;
    program& operator=(const program&) = delete;
    ~program() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
        ::close(out_);
        std::fclose(errors_);
    }

    void signal(int number) {
        if (pid_ > 0)
            ::kill(pid_, number);
    }

    /// The first line of standard output that holds `text`.
    std::string line_with(std::string_view text) {
        for (std::size_t from = 0;;) {
            const auto end = said_.find('\n', from);
            if (end != std::string::npos) {
                const std::string line = said_.substr(from, end - from);
                if (line.find(text) != std::string::npos)
                    return line;
                from = end + 1;
            } else if (!receive()) {
                throw std::runtime_error(
                    name_ + " ended without saying \"" + std::string(text) + "\"; it said:\n" +
                    said_ + errors()
                );
            }
        }
    }

    /// Waits for the end. The exit status, or minus the signal that killed it.
    int wait() {
        while (receive()) {
        }
        if (pid_ > 0) {
            int status = 0;
            ::waitpid(pid_, &status, 0); // its output has ended: so has it, or is about to
            pid_ = -1;
            status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
        }
        return status_;
    }

    /// Standard output as far as it has been read: all of it after `wait`.
    const std::string& output() const { return said_; }

    /// Standard error so far.
    std::string errors() const {
        std::string text;
        char block[4096];
        for (;;) {
            const auto at = static_cast<off_t>(text.size());
            const auto got = ::pread(::fileno(errors_), block, sizeof block, at);
            if (got <= 0)
                return text;
            text.append(block, static_cast<std::size_t>(got));
        }
    }

private:
    bool receive() {
        pollfd on{out_, POLLIN, 0};
        const auto most = std::chrono::milliseconds(longest_wait).count();
        int ready = 0;
        while ((ready = ::poll(&on, 1, static_cast<int>(most))) < 0 && errno == EINTR) {
        }
        if (ready <= 0)
            throw std::runtime_error(name_ + " neither speaks nor ends; it said:\n" + said_);
        char block[4096];
        const auto got = ::read(out_, block, sizeof block);
        if (got <= 0)
            return false;
        said_.append(block, static_cast<std::size_t>(got));
        return true;
    }

    std::string name_;
    std::FILE* errors_;
    int out_ = -1;
    pid_t pid_ = -1;
    int status_ = 0;
    std::string said_;
};

/// How a program ended that was left alone.
struct ended {
    int status;
    std::string out;
    std::string err;
};

inline ended run(std::vector<std::string> command) {
    program one(std::move(command));
    const int status = one.wait();
    return {status, one.output(), one.errors()};
}

/// The real corogate-server on a free port, with its data in `data`; ready when constructed.
class server_process : public program {
public:
    /// `shown` stands before the port in the line that says where it listens.
    server_process(
        const std::filesystem::path& data, std::vector<std::string> more = {},
        std::string_view shown = "127.0.0.1:"
    )
        : program(command(data, std::move(more)))
        , port_(port_in(line_with("listens on"), shown)) {}

    static std::vector<std::string>
    command(const std::filesystem::path& data, std::vector<std::string> more) {
        std::vector<std::string> all{COROGATE_SERVER, "--data", data.string()};
        if (std::find(more.begin(), more.end(), "--port") == more.end())
            all.insert(all.end(), {"--port", "0"});
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }

    std::uint16_t port() const { return port_; }

    /// Of `--monitor-port`.
    std::uint16_t monitor_port() { return port_in(line_with("metrics on")); }

    /// SIGTERM, and the exit status.
    int end() {
        signal(SIGTERM);
        return wait();
    }

private:
    static std::uint16_t port_in(const std::string& line, std::string_view before = "127.0.0.1:") {
        const auto at = line.find(before);
        if (at == std::string::npos)
            throw std::runtime_error("no port in: " + line);
        return static_cast<std::uint16_t>(std::stoul(line.substr(at + before.size())));
    }

    std::uint16_t port_;
};

} // namespace app
