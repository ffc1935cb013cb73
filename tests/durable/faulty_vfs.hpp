#pragma once

#include <sqlite3.h>

#include <atomic>

namespace testing {

/// A VFS that passes everything on to the default one, and fails writes or syncs while told to. No
/// shared memory methods: the store works without them.
class faulty_vfs {
public:
    static constexpr const char* name = "corogate-faulty";

    faulty_vfs() {
        base() = ::sqlite3_vfs_find(nullptr);
        vfs_ = *base();
        vfs_.iVersion = 1;
        vfs_.zName = name;
        vfs_.pNext = nullptr;
        vfs_.szOsFile = static_cast<int>(sizeof(file)) + base()->szOsFile;
        vfs_.xOpen = &open;
        ::sqlite3_vfs_register(&vfs_, 0);
    }
    faulty_vfs(const faulty_vfs&) = delete;
    faulty_vfs& operator=(const faulty_vfs&) = delete;
    ~faulty_vfs() {
        sync_result() = SQLITE_OK;
        write_result() = SQLITE_OK;
        ::sqlite3_vfs_unregister(&vfs_);
    }

    void fail_syncs(bool on) { sync_result() = on ? SQLITE_IOERR_FSYNC : SQLITE_OK; }
    void fill_disk(bool on) { write_result() = on ? SQLITE_FULL : SQLITE_OK; }

private:
    struct file {
        ::sqlite3_file self;
        ::sqlite3_file* real() { return reinterpret_cast<::sqlite3_file*>(this + 1); }
    };

    static ::sqlite3_vfs*& base() {
        static ::sqlite3_vfs* value = nullptr;
        return value;
    }
    static std::atomic<int>& sync_result() {
        static std::atomic<int> value{SQLITE_OK};
        return value;
    }
    static std::atomic<int>& write_result() {
        static std::atomic<int> value{SQLITE_OK};
        return value;
    }

    static ::sqlite3_file* real(::sqlite3_file* f) { return reinterpret_cast<file*>(f)->real(); }

    static const ::sqlite3_io_methods* methods() {
        static const ::sqlite3_io_methods table = [] {
            ::sqlite3_io_methods m{};
            m.iVersion = 1;
            m.xClose = [](::sqlite3_file* f) { return real(f)->pMethods->xClose(real(f)); };
            m.xRead = [](::sqlite3_file* f, void* to, int n, ::sqlite3_int64 at) {
                return real(f)->pMethods->xRead(real(f), to, n, at);
            };
            m.xWrite = [](::sqlite3_file* f, const void* from, int n, ::sqlite3_int64 at) {
                const int fault = write_result();
                return fault != SQLITE_OK ? fault : real(f)->pMethods->xWrite(real(f), from, n, at);
            };
            m.xTruncate = [](::sqlite3_file* f, ::sqlite3_int64 size) {
                return real(f)->pMethods->xTruncate(real(f), size);
            };
            m.xSync = [](::sqlite3_file* f, int flags) {
                const int fault = sync_result();
                return fault != SQLITE_OK ? fault : real(f)->pMethods->xSync(real(f), flags);
            };
            m.xFileSize = [](::sqlite3_file* f, ::sqlite3_int64* size) {
                return real(f)->pMethods->xFileSize(real(f), size);
            };
            m.xLock = [](::sqlite3_file* f, int level) {
                return real(f)->pMethods->xLock(real(f), level);
            };
            m.xUnlock = [](::sqlite3_file* f, int level) {
                return real(f)->pMethods->xUnlock(real(f), level);
            };
            m.xCheckReservedLock = [](::sqlite3_file* f, int* held) {
                return real(f)->pMethods->xCheckReservedLock(real(f), held);
            };
            m.xFileControl = [](::sqlite3_file* f, int op, void* argument) {
                return real(f)->pMethods->xFileControl(real(f), op, argument);
            };
            m.xSectorSize = [](::sqlite3_file* f) {
                return real(f)->pMethods->xSectorSize(real(f));
            };
            m.xDeviceCharacteristics = [](::sqlite3_file* f) {
                return real(f)->pMethods->xDeviceCharacteristics(real(f));
            };
            return m;
        }();
        return &table;
    }

    static int
    open(::sqlite3_vfs*, const char* path, ::sqlite3_file* f, int flags, int* flags_out) {
        f->pMethods = nullptr;
        const int code = base()->xOpen(base(), path, real(f), flags, flags_out);
        if (real(f)->pMethods)
            f->pMethods = methods();
        return code;
    }

    ::sqlite3_vfs vfs_{};
};

} // namespace testing
