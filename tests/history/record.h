/* The history: one line of JSON for each operation that ended, or that was given up.
 *
 *     {"i":17,"c":3,"s":"5","q":9,"f":"map_replace_if","k":"…","a":"…","b":"…","t0":…,"t1":…,
 *      "st":"ok","v":"…","idx":881,"at":"127.0.0.1:7401"}
 *
 *   i     number of the line's operation in the run
 *   c     client; one does nothing before its last operation has ended
 *   s, q  session and sequence in it, when there were any
 *   f, k  what was asked (operations.c), and of which key
 *   a, b  what was given: values as strings, deltas and numbers as numbers
 *   t0    ns of CLOCK_MONOTONIC before the request was given to the client library
 *   tq    ns after an acquire was told that it waits in the lock's queue; absent when it was not
 *   t1    ns after its answer, or after it was given up
 *   st    ok: took effect · fail: did certainly not · info: nobody knows, and it may yet
 *   e     error name of what did not end with an answer to the question
 *   v     value that was read or was there before; null = there was none
 *   n     number that was read, or came out
 *   fence token of a lock that was granted
 *   idx   log index at which it took effect, or that a read saw
 *   at    the server that the client talked to
 *
 * A conditional write whose condition did not hold has st fail and no e: that it did not hold is an
 * observation too. Values hold only characters that JSON needs not escape.
 */
#ifndef VXC_TESTS_HISTORY_RECORD_H
#define VXC_TESTS_HISTORY_RECORD_H

#include "history/keys.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum outcome { OUTCOME_OK, OUTCOME_FAIL, OUTCOME_INFO };

enum { VALUE_MAX = 48 };

/* What an optional field holds. */
struct text_field {
    bool given;
    bool none; /* null */
    char text[VALUE_MAX];
};

struct number_field {
    bool given;
    int64_t number;
};

struct record {
    uint64_t client, session, sequence;
    const char *function;
    const char *key;
    struct text_field a, b, v;
    struct number_field a_number, b_number, n;
    uint64_t fence, index;
    int64_t begun_ns, queued_ns, ended_ns; /* queued: 0 = it was not */
    enum outcome outcome;
    int error; /* 0 or a VXC_E… code */
    const char *endpoint;
};

/* Totals of a run; `wait` is the longest time between two acknowledged writes of anybody. */
struct record_totals {
    uint64_t ok, fail, info, sessions_lost;
    int64_t gap_ns;
};

void text_set(struct text_field *field, const char *text);

/* Opens the file ("-" = stdout). 0, or -1 with errno set. Once per process. */
int record_open(const char *path);
/* Appends a line. Any thread. */
void record_write(const struct record *record);
void record_count_lost_session(void);
/* Note that a write was acknowledged at that time. Any thread. */
void record_note_write(int64_t ended_ns);
/* Closes the file. 0, or -1 when a line could not be written. */
int record_close(struct record_totals *totals);

int64_t now_ns(void); /* CLOCK_MONOTONIC */

#endif
