#pragma once

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

extern char** environ;

namespace testing {

/// A program whose standard output is read line by line and which is killed at a chosen line.
/// Nothing it wrote is lost: after the kill the pipe is read to its end.
class child_process {
public:
    explicit child_process(std::vector<std::string> command) {
        int ends[2];
        if (::pipe(ends) != 0)
            throw std::runtime_error("no pipe can be made");
        out_ = ends[0];
        std::vector<char*> arguments;
        for (auto& word : command)
            arguments.push_back(word.data());
        arguments.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        ::posix_spawn_file_actions_addclose(&actions, ends[0]);
        ::posix_spawn_file_actions_addclose(&actions, ends[1]);
        const int code =
            ::posix_spawn(&pid_, command[0].c_str(), &actions, nullptr, arguments.data(), environ);
        ::posix_spawn_file_actions_destroy(&actions);
        ::close(ends[1]);
        if (code != 0) {
            ::close(out_);
            throw std::runtime_error("the child cannot be started: " + command[0]);
        }
    }
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;
    ~child_process() {
        kill();
        ::close(out_);
    }

    /// Lines until there are `count`, or the child ends.
    std::vector<std::string> read_lines(std::size_t count) {
        std::vector<std::string> lines;
        while (lines.size() < count) {
            const auto end = buffer_.find('\n');
            if (end != std::string::npos) {
                lines.push_back(buffer_.substr(0, end));
                buffer_.erase(0, end + 1);
                continue;
            }
            char block[4096];
            const auto got = ::read(out_, block, sizeof block);
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0)
                break;
            buffer_.append(block, static_cast<std::size_t>(got));
        }
        return lines;
    }

    /// kill -9, and all complete lines still in the pipe.
    std::vector<std::string> kill_and_read() {
        ::kill(pid_, SIGKILL);
        auto lines = read_lines(static_cast<std::size_t>(-1));
        wait();
        return lines;
    }

    void kill() {
        if (pid_ > 0)
            ::kill(pid_, SIGKILL);
        wait();
    }

    /// The wait status; 0 for a clean end.
    int wait() {
        int status = 0;
        if (pid_ > 0)
            ::waitpid(pid_, &status, 0);
        pid_ = -1;
        return status;
    }

private:
    int out_ = -1;
    pid_t pid_ = -1;
    std::string buffer_;
};

} // namespace testing
