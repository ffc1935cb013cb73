#include <corogate/durable/sqlite.hpp>

#include <sqlite3.h>

#include <cstring>
#include <functional>
#include <unordered_map>

namespace corogate::durable {

namespace {

/// Programs have a few dozen statements; beyond this something builds texts and must not fill
/// memory.
constexpr std::size_t kept_statements = 256;

struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
        return std::hash<std::string_view>{}(text);
    }
};

struct kept_statement {
    ::sqlite3_stmt* handle = nullptr;
    bool on_loan = false;
};

store_errc kind_of(int code) noexcept {
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return store_errc::locked;
    case SQLITE_FULL:
        return store_errc::full;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return store_errc::read_only;
    case SQLITE_CANTOPEN:
        return store_errc::cannot_open;
    case SQLITE_CORRUPT:
        return store_errc::corrupt;
    case SQLITE_NOTADB:
        return store_errc::not_a_store;
    case SQLITE_CONSTRAINT:
        return store_errc::constraint;
    case SQLITE_IOERR:
    case SQLITE_PROTOCOL:
        return store_errc::io;
    case SQLITE_MISMATCH:
        return store_errc::wrong_type;
    default:
        return store_errc::misuse;
    }
}

std::string sentence(int code, const std::string& file, const std::string& detail, int os_error) {
    const auto why = os_error ? std::string(": ") + std::strerror(os_error) : std::string();
    switch (kind_of(code)) {
    case store_errc::locked:
        return "the store " + file + " is in use by another process";
    case store_errc::full:
        return "the disk that holds the store " + file + " is full";
    case store_errc::read_only:
        return "the store " + file + " cannot be written: the file or its folder is read-only";
    case store_errc::cannot_open:
        return "the store " + file + " cannot be opened" + why;
    case store_errc::corrupt:
        return "the store " + file + " is damaged";
    case store_errc::not_a_store:
        return "the file " + file + " is not a store of this program";
    case store_errc::constraint:
        return "the schema of the store forbids this write: " + detail;
    case store_errc::io:
        return "reading or writing the store " + file + " failed" +
               (why.empty() ? ": " + detail : why);
    default:
        return "the store " + file + " refused a statement: " + detail;
    }
}

[[noreturn]] void raise_code(::sqlite3* db, int code, const std::filesystem::path& file) {
    const bool about_files = (code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_IOERR;
    const int os_error = db && about_files ? ::sqlite3_system_errno(db) : 0;
    const char* detail = db ? ::sqlite3_errmsg(db) : ::sqlite3_errstr(code);
    throw store_error(kind_of(code), sentence(code, file.string(), detail, os_error), code);
}

} // namespace

struct database::state {
    std::filesystem::path file;
    ::sqlite3* handle = nullptr;
    bool reads_only = false;
    std::unordered_map<std::string, kept_statement, text_hash, std::equal_to<>> kept;

    state() = default;
    state(const state&) = delete;
    state& operator=(const state&) = delete;

    ~state() {
        for (auto& [text, entry] : kept)
            ::sqlite3_finalize(entry.handle);
        // The _v2 form also copes with a statement that is still on loan.
        ::sqlite3_close_v2(handle);
    }

    [[noreturn]] void raise(int code) const { raise_code(handle, code, file); }

    void check(int code) const {
        if (code != SQLITE_OK)
            raise(code);
    }
};

database::database(const std::filesystem::path& file, const database_options& options)
    : state_(std::make_unique<state>()) {
    auto& s = *state_;
    s.file = file;
    const int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    const char* vfs = options.vfs().empty() ? nullptr : options.vfs().c_str();
    s.check(::sqlite3_open_v2(file.c_str(), &s.handle, flags, vfs));
    ::sqlite3_extended_result_codes(s.handle, 1);
    ::sqlite3_busy_timeout(s.handle, static_cast<int>(options.busy_timeout().count()));
    ::sqlite3_db_config(s.handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    ::sqlite3_db_config(s.handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    ::sqlite3_db_config(s.handle, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
    ::sqlite3_db_config(s.handle, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);

    const auto number = [this](std::string_view sql) {
        auto row = prepare(sql);
        return row.step() ? row.integer(0) : 0;
    };
    // Before journal_mode, so that WAL needs no shared memory file.
    execute("PRAGMA locking_mode=EXCLUSIVE");
    // Before anything is written: a file of somebody else stays as it is.
    const auto mark = number("PRAGMA application_id");
    const bool empty = number("SELECT count(*) FROM sqlite_schema") == 0 && mark == 0 &&
                       number("PRAGMA user_version") == 0;
    if (!empty && mark != options.application_id())
        throw store_error(
            store_errc::not_a_store, sentence(SQLITE_NOTADB, file.string(), {}, 0), SQLITE_NOTADB
        );
    execute("PRAGMA auto_vacuum=INCREMENTAL"); // has effect at creation only
    {
        auto mode = prepare("PRAGMA journal_mode=WAL");
        if (!mode.step() || mode.text(0) != "wal")
            throw store_error(
                store_errc::cannot_open,
                "the store " + file.string() +
                    " cannot be opened: its file system does not support a "
                    "write-ahead log"
            );
    }
    execute(
        options.durability() == durability::disk ? "PRAGMA synchronous=FULL"
                                                 : "PRAGMA synchronous=NORMAL"
    );
    execute("PRAGMA wal_autocheckpoint=1000;"
            "PRAGMA journal_size_limit=67108864;"
            "PRAGMA cache_size=-65536;"
            "PRAGMA temp_store=MEMORY;"
            "PRAGMA foreign_keys=ON;");
    // Takes the lock now, so that a second process is told at start and not at its first write.
    transaction lock(*this);
    if (empty)
        execute("PRAGMA application_id=" + std::to_string(options.application_id()));
    lock.commit();
}

database::database(database&&) noexcept = default;
database& database::operator=(database&&) noexcept = default;
database::~database() = default;

statement database::prepare(std::string_view sql) {
    auto& s = *state_;
    const auto found = s.kept.find(sql);
    if (found != s.kept.end() && !found->second.on_loan) {
        found->second.on_loan = true;
        return {s, found->second.handle, &found->second.on_loan};
    }
    const bool keep = found == s.kept.end() && s.kept.size() < kept_statements;
    ::sqlite3_stmt* handle = nullptr;
    const char* tail = nullptr;
    s.check(::sqlite3_prepare_v3(
        s.handle, sql.data(), static_cast<int>(sql.size()), keep ? SQLITE_PREPARE_PERSISTENT : 0U,
        &handle, &tail
    ));
    statement result(s, handle, nullptr);
    const auto rest = sql.substr(static_cast<std::size_t>(tail - sql.data()));
    if (!handle || rest.find_first_not_of(" \t\r\n;") != std::string_view::npos)
        throw store_error(store_errc::misuse, "the store prepares exactly one statement at a time");
    if (keep) {
        auto& entry = s.kept.emplace(std::string(sql), kept_statement{handle, true}).first->second;
        result.on_loan_ = &entry.on_loan;
    }
    return result;
}

void database::execute(std::string_view script) {
    auto& s = *state_;
    if (s.reads_only)
        throw store_error(store_errc::misuse, "a read of the store tried to run a script");
    s.check(::sqlite3_exec(s.handle, std::string(script).c_str(), nullptr, nullptr, nullptr));
}

std::int64_t database::changes() const noexcept { return ::sqlite3_changes64(state_->handle); }

std::int64_t database::last_insert_id() const noexcept {
    return ::sqlite3_last_insert_rowid(state_->handle);
}

bool database::in_transaction() const noexcept {
    return ::sqlite3_get_autocommit(state_->handle) == 0;
}

bool database::breaks_reference() const noexcept {
    int current = 0;
    int highest = 0;
    ::sqlite3_db_status(state_->handle, SQLITE_DBSTATUS_DEFERRED_FKS, &current, &highest, 0);
    return current != 0;
}

int database::schema_version() {
    auto row = prepare("PRAGMA user_version");
    return row.step() ? row.get<int>(0) : 0;
}

const std::filesystem::path& database::file() const noexcept { return state_->file; }

statement::statement(statement&& other) noexcept
    : owner_(other.owner_)
    , handle_(std::exchange(other.handle_, nullptr))
    , on_loan_(other.on_loan_)
    , at_row_(other.at_row_)
    , ended_(other.ended_) {}

statement& statement::operator=(statement&& other) noexcept {
    if (this != &other) {
        give_back();
        owner_ = other.owner_;
        handle_ = std::exchange(other.handle_, nullptr);
        on_loan_ = other.on_loan_;
        at_row_ = other.at_row_;
        ended_ = other.ended_;
    }
    return *this;
}

statement::~statement() { give_back(); }

void statement::give_back() noexcept {
    if (!handle_)
        return;
    if (!on_loan_) {
        ::sqlite3_finalize(handle_);
    } else {
        ::sqlite3_reset(handle_);
        ::sqlite3_clear_bindings(handle_);
        *on_loan_ = false;
    }
    handle_ = nullptr;
}

void statement::raise(int code) const { owner_->raise(code); }

void statement::wrong_type(int column, const char* wanted) const {
    throw store_error(
        store_errc::wrong_type,
        "column " + std::to_string(column) + " of a row of the store holds no " + wanted
    );
}

void statement::expect_parameters(int count) const {
    if (::sqlite3_bind_parameter_count(handle_) != count)
        throw store_error(
            store_errc::misuse, "a statement of the store was given the wrong number of values"
        );
}

statement& statement::bind(int parameter, std::nullptr_t) {
    owner_->check(::sqlite3_bind_null(handle_, parameter));
    return *this;
}

statement& statement::bind(int parameter, std::int64_t value) {
    owner_->check(::sqlite3_bind_int64(handle_, parameter, value));
    return *this;
}

statement& statement::bind(int parameter, double value) {
    owner_->check(::sqlite3_bind_double(handle_, parameter, value));
    return *this;
}

statement& statement::bind(int parameter, std::string_view value) {
    // A null pointer would bind null where an empty text is meant.
    const char* data = value.data() ? value.data() : "";
    owner_->check(
        ::sqlite3_bind_text64(handle_, parameter, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8)
    );
    return *this;
}

statement& statement::bind(int parameter, std::span<const std::byte> value) {
    const void* data = value.data() ? static_cast<const void*>(value.data()) : "";
    owner_->check(::sqlite3_bind_blob64(handle_, parameter, data, value.size(), SQLITE_TRANSIENT));
    return *this;
}

bool statement::step() {
    at_row_ = false;
    if (ended_)
        return false; // SQLite would start again
    if (owner_->reads_only && ::sqlite3_stmt_readonly(handle_) == 0)
        throw store_error(store_errc::misuse, "a read of the store tried to write");
    const int code = ::sqlite3_step(handle_);
    if (code == SQLITE_ROW) {
        at_row_ = true;
        return true;
    }
    ended_ = true;
    if (code != SQLITE_DONE)
        raise(code);
    // Ends the implicit transaction of a lone statement now, not when the loan ends.
    ::sqlite3_reset(handle_);
    return false;
}

void statement::run() {
    while (step()) {
    }
}

void statement::reset() noexcept {
    ::sqlite3_reset(handle_);
    at_row_ = false;
    ended_ = false;
}

int statement::columns() const noexcept { return ::sqlite3_column_count(handle_); }

bool statement::is_null(int column) const {
    if (!at_row_ || column < 0 || column >= columns())
        throw store_error(
            store_errc::misuse, "a column was read where the store has no row for it"
        );
    return ::sqlite3_column_type(handle_, column) == SQLITE_NULL;
}

std::int64_t statement::integer(int column) const {
    if (is_null(column) || ::sqlite3_column_type(handle_, column) != SQLITE_INTEGER)
        wrong_type(column, "integer");
    return ::sqlite3_column_int64(handle_, column);
}

double statement::real(int column) const {
    const int type = is_null(column) ? SQLITE_NULL : ::sqlite3_column_type(handle_, column);
    if (type != SQLITE_FLOAT && type != SQLITE_INTEGER)
        wrong_type(column, "number");
    return ::sqlite3_column_double(handle_, column);
}

std::string_view statement::text(int column) const {
    if (is_null(column) || ::sqlite3_column_type(handle_, column) != SQLITE_TEXT)
        wrong_type(column, "text");
    const auto* data = reinterpret_cast<const char*>(::sqlite3_column_text(handle_, column));
    if (!data)
        raise(SQLITE_NOMEM);
    return {data, static_cast<std::size_t>(::sqlite3_column_bytes(handle_, column))};
}

std::span<const std::byte> statement::blob(int column) const {
    if (is_null(column) || ::sqlite3_column_type(handle_, column) != SQLITE_BLOB)
        wrong_type(column, "blob");
    const auto* data = static_cast<const std::byte*>(::sqlite3_column_blob(handle_, column));
    return {data, static_cast<std::size_t>(::sqlite3_column_bytes(handle_, column))};
}

transaction::transaction(database& db)
    : db_(db) {
    db_.run("BEGIN IMMEDIATE");
}

transaction::~transaction() {
    if (!open_ || !db_.in_transaction())
        return;
    try {
        db_.run("ROLLBACK");
    } catch (const store_error&) {
        // Nothing more to undo with; closing the file undoes it.
    }
}

void transaction::commit() {
    db_.run("COMMIT"); // where it fails the destructor rolls back
    open_ = false;
}

savepoint::savepoint(database& db)
    : db_(db) {
    db_.run("SAVEPOINT corogate_step");
}

savepoint::~savepoint() {
    if (!open_ || !db_.in_transaction())
        return;
    try {
        db_.run("ROLLBACK TO corogate_step");
        db_.run("RELEASE corogate_step");
    } catch (const store_error&) {
        // The transaction cannot be trusted in part any more: undo it all, which its owner notices.
        try {
            db_.run("ROLLBACK");
        } catch (const store_error&) {
        }
    }
}

void savepoint::release() {
    db_.run("RELEASE corogate_step");
    open_ = false;
}

read_only_section::read_only_section(database& db) noexcept
    : db_(db) {
    db_.state_->reads_only = true;
}

read_only_section::~read_only_section() { db_.state_->reads_only = false; }

void migrate(database& db, std::span<const std::string_view> steps) {
    const auto known = static_cast<int>(steps.size());
    const int found = db.schema_version();
    if (found > known)
        throw store_error(
            store_errc::newer_schema, "the store " + db.file().string() +
                                          " was written by a newer version of this program (its "
                                          "schema is " +
                                          std::to_string(found) + ", this program knows up to " +
                                          std::to_string(known) + ")"
        );
    for (int version = found; version < known; ++version) {
        transaction step(db);
        db.execute(steps[static_cast<std::size_t>(version)]);
        db.execute("PRAGMA user_version=" + std::to_string(version + 1));
        step.commit();
    }
}

} // namespace corogate::durable
