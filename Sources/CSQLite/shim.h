// SQLite's C interface, and what Swift cannot see of it: the destructor that says "copy what I bind" is a cast in a macro.
#ifndef PAIL_CSQLITE_SHIM_H
#define PAIL_CSQLITE_SHIM_H

#include <sqlite3.h>

static inline int pail_sqlite3_bind_text(sqlite3_stmt *statement, int index, const char *text, int count) {
    // An empty text is not NULL.
    return sqlite3_bind_text(statement, index, text ? text : "", count, SQLITE_TRANSIENT);
}

static inline int pail_sqlite3_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, int count) {
    return count == 0 ? sqlite3_bind_zeroblob(statement, index, 0)
                      : sqlite3_bind_blob(statement, index, bytes, count, SQLITE_TRANSIENT);
}

#endif
