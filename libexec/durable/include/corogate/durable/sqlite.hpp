#pragma once

#include <corogate/durable/store_error.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

struct sqlite3_stmt;

namespace corogate::durable {

/// What a returned COMMIT has survived.
enum class durability : std::uint8_t {
    disk,    ///< death of the process, of the system, of the power (where the device honours flush)
    process, ///< death of the process; a power cut may lose what came after the last checkpoint
};

/// How a database file is opened. The defaults are the safe ones.
class database_options {
public:
    database_options() = default;

    database_options& durability(durable::durability value) {
        durability_ = value;
        return *this;
    }
    /// How long opening waits for another process to let go of the file.
    database_options& busy_timeout(std::chrono::milliseconds value) {
        busy_timeout_ = value;
        return *this;
    }
    /// Marks the file as ours; a file with tables and another mark is refused.
    database_options& application_id(std::int32_t value) {
        application_id_ = value;
        return *this;
    }
    /// Name of a registered SQLite VFS; empty is the default one. For fault tests.
    database_options& vfs(std::string value) {
        vfs_ = std::move(value);
        return *this;
    }

    [[nodiscard]] durable::durability durability() const noexcept { return durability_; }
    [[nodiscard]] std::chrono::milliseconds busy_timeout() const noexcept { return busy_timeout_; }
    [[nodiscard]] std::int32_t application_id() const noexcept { return application_id_; }
    [[nodiscard]] const std::string& vfs() const noexcept { return vfs_; }

private:
    durable::durability durability_ = durable::durability::disk;
    std::chrono::milliseconds busy_timeout_{1000};
    std::int32_t application_id_ = 0x636f7267; // "corg"
    std::string vfs_;
};

class statement;

/// One connection to one SQLite file, held by this process alone: WAL, synchronous=FULL, foreign
/// keys enforced. A second process (or connection) that opens the file gets `store_errc::locked`.
///
/// Statements are prepared once and kept by their text, so the text must be the program's own:
/// values are bound, never spliced in.
///
/// Errors: every member but the destructor throws `store_error`.
/// Thread safety: none; one thread at a time (`store_thread` gives it a thread of its own).
/// Moving keeps statements and transactions valid. Closing rolls back an open transaction.
class database {
public:
    /// Opens or creates `file`; its folder must exist.
    explicit database(const std::filesystem::path& file, const database_options& options = {});
    database(database&&) noexcept;
    database& operator=(database&&) noexcept;
    ~database();

    /// The statement for `sql`, with no values bound.
    [[nodiscard]] statement prepare(std::string_view sql);
    /// The statement for `sql` with `values` bound from 1; then read its rows.
    template <typename... Values>
    [[nodiscard]] statement query(std::string_view sql, const Values&... values);
    /// Runs `sql` to its end; how many rows it inserted, changed or deleted.
    template <typename... Values>
    std::int64_t run(std::string_view sql, const Values&... values);
    /// Runs one or more statements without values: schema and pragmas.
    void execute(std::string_view script);

    /// Rows of the last INSERT, UPDATE or DELETE that ended.
    [[nodiscard]] std::int64_t changes() const noexcept;
    [[nodiscard]] std::int64_t last_insert_id() const noexcept;
    [[nodiscard]] bool in_transaction() const noexcept;
    /// True while a deferred foreign key is broken: COMMIT would fail.
    [[nodiscard]] bool breaks_reference() const noexcept;
    [[nodiscard]] int schema_version();
    [[nodiscard]] const std::filesystem::path& file() const noexcept;

private:
    friend class statement;
    friend class read_only_section;
    struct state;
    std::unique_ptr<state> state_;
};

/// A prepared statement on loan from its database: bind, step, read. Given back, reset and with its
/// values cleared, by the destructor; so it must not outlive the database.
///
/// Parameters count from 1 (`?1`), columns from 0, as in SQLite. Texts and blobs are copied when
/// bound; views returned by `text` and `blob` last until the next `step`.
class statement {
public:
    statement(statement&&) noexcept;
    statement& operator=(statement&&) noexcept;
    ~statement();

    statement& bind(int parameter, std::nullptr_t);
    statement& bind(int parameter, std::nullopt_t) { return bind(parameter, nullptr); }
    statement& bind(int parameter, std::int64_t value);
    statement& bind(int parameter, double value);
    statement& bind(int parameter, std::string_view value);
    statement& bind(int parameter, std::span<const std::byte> value);
    statement& bind(int parameter, const char* value) {
        return bind(parameter, std::string_view(value));
    }
    statement& bind(int parameter, const std::string& value) {
        return bind(parameter, std::string_view(value));
    }
    template <std::integral T>
    statement& bind(int parameter, T value) {
        return bind(parameter, static_cast<std::int64_t>(value));
    }
    template <typename T>
    statement& bind(int parameter, const std::optional<T>& value) {
        return value ? bind(parameter, *value) : bind(parameter, nullptr);
    }
    /// Binds `values` to the parameters 1, 2, ...; the statement must have exactly that many.
    template <typename... Values>
    statement& bind_all(const Values&... values);

    /// Goes to the next row; false after the last one, for good.
    bool step();
    /// Steps to the end.
    void run();
    /// Makes it ready to run again, with the same values.
    void reset() noexcept;

    [[nodiscard]] int columns() const noexcept;
    [[nodiscard]] bool is_null(int column) const;
    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] double real(int column) const; ///< also of an integer column
    [[nodiscard]] std::string_view text(int column) const;
    [[nodiscard]] std::span<const std::byte> blob(int column) const;

    /// A column as bool, an integer, double, std::string, std::vector<std::byte>, or a
    /// std::optional of these for columns that may be null. Another type in the column:
    /// `store_errc::wrong_type`.
    template <typename T>
    [[nodiscard]] T get(int column) const;
    /// The first columns of the row as a tuple.
    template <typename... Ts>
    [[nodiscard]] std::tuple<Ts...> row() const;

private:
    friend class database;
    statement(database::state& owner, ::sqlite3_stmt* handle, bool* on_loan) noexcept
        : owner_(&owner)
        , handle_(handle)
        , on_loan_(on_loan) {}

    [[noreturn]] void raise(int code) const;
    [[noreturn]] void wrong_type(int column, const char* wanted) const;
    void expect_parameters(int count) const;
    void give_back() noexcept;

    database::state* owner_ = nullptr;
    ::sqlite3_stmt* handle_ = nullptr;
    bool* on_loan_ = nullptr; ///< of the kept statement; null where this one is nobody's
    bool at_row_ = false;
    bool ended_ = false;
};

/// BEGIN IMMEDIATE; the destructor rolls back what was not committed. A failed commit rolls back.
class transaction {
public:
    explicit transaction(database& db);
    transaction(const transaction&) = delete;
    transaction& operator=(const transaction&) = delete;
    ~transaction();

    void commit();

private:
    database& db_;
    bool open_ = true;
};

/// A part of a transaction that can be undone alone: the destructor undoes what was not released.
/// SQLite may undo the *whole* transaction by itself when the disk is full or fails; then
/// `database::in_transaction()` is false and the savepoint is gone too.
class savepoint {
public:
    explicit savepoint(database& db);
    savepoint(const savepoint&) = delete;
    savepoint& operator=(const savepoint&) = delete;
    ~savepoint();

    void release();

private:
    database& db_;
    bool open_ = true;
};

/// While it lives, a statement of `db` that would write is refused with `store_errc::misuse`.
class read_only_section {
public:
    explicit read_only_section(database& db) noexcept;
    read_only_section(const read_only_section&) = delete;
    read_only_section& operator=(const read_only_section&) = delete;
    ~read_only_section();

private:
    database& db_;
};

/// Brings the file to schema version `steps.size()`: step n leads from version n to n + 1, in a
/// transaction of its own, so an interrupted migration is taken up where it stood. Steps that have
/// been released are never edited; a file with a higher version is refused (`newer_schema`).
void migrate(database& db, std::span<const std::string_view> steps);

// ---------------------------------------------------------------------------------------------

template <typename... Values>
statement database::query(std::string_view sql, const Values&... values) {
    statement result = prepare(sql);
    result.bind_all(values...);
    return result;
}

template <typename... Values>
std::int64_t database::run(std::string_view sql, const Values&... values) {
    query(sql, values...).run();
    return changes();
}

template <typename... Values>
statement& statement::bind_all(const Values&... values) {
    expect_parameters(static_cast<int>(sizeof...(Values)));
    int parameter = 0;
    (bind(++parameter, values), ...);
    return *this;
}

namespace detail {

template <typename T>
struct column_reader;

template <>
struct column_reader<bool> {
    static bool read(const statement& row, int column) { return row.integer(column) != 0; }
};

template <std::integral T>
struct column_reader<T> {
    static T read(const statement& row, int column) {
        const auto value = row.integer(column);
        if (!std::in_range<T>(value))
            throw store_error(
                store_errc::wrong_type, "a number in the store is out of the range expected of it"
            );
        return static_cast<T>(value);
    }
};

template <>
struct column_reader<double> {
    static double read(const statement& row, int column) { return row.real(column); }
};

template <>
struct column_reader<std::string> {
    static std::string read(const statement& row, int column) {
        return std::string(row.text(column));
    }
};

template <>
struct column_reader<std::vector<std::byte>> {
    static std::vector<std::byte> read(const statement& row, int column) {
        const auto bytes = row.blob(column);
        return {bytes.begin(), bytes.end()};
    }
};

template <typename T>
struct column_reader<std::optional<T>> {
    static std::optional<T> read(const statement& row, int column) {
        if (row.is_null(column))
            return std::nullopt;
        return column_reader<T>::read(row, column);
    }
};

} // namespace detail

template <typename T>
T statement::get(int column) const {
    return detail::column_reader<T>::read(*this, column);
}

template <typename... Ts>
std::tuple<Ts...> statement::row() const {
    return [this]<std::size_t... Columns>(std::index_sequence<Columns...>) {
        return std::tuple<Ts...>(this->template get<Ts>(static_cast<int>(Columns))...);
    }(std::index_sequence_for<Ts...>());
}

} // namespace corogate::durable
