#include "history/record.h"
#include "vxc/error.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE_MAX_BYTES = 1024 };

static struct {
    FILE *file;
    atomic_ullong number;
    atomic_ullong outcomes[3];
    atomic_ullong sessions_lost;
    atomic_llong written_ns; /* when a write was last acknowledged; 0 = never */
    atomic_llong gap_ns;
    atomic_bool broken;
} history;

int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void text_set(struct text_field *field, const char *text)
{
    field->given = true;
    field->none = text == NULL;
    (void)snprintf(field->text, sizeof field->text, "%s", text == NULL ? "" : text);
}

int record_open(const char *path)
{
    history.file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    return history.file == NULL ? -1 : 0;
}

/* ---- a line ---- */

struct line {
    char text[LINE_MAX_BYTES];
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
    const size_t room = sizeof line->text - line->size;
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(line->text + line->size, room, format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= room) {
        (void)fprintf(stderr, "vxc-history: a line is over %d bytes\n", LINE_MAX_BYTES);
        abort(); /* names and values are ours: a mistake in this program */
    }
    line->size += (size_t)size;
}

static void put_text(struct line *line, const char *name, const struct text_field *field)
{
    if (field->given && field->none) {
        put(line, ",\"%s\":null", name);
    } else if (field->given) {
        put(line, ",\"%s\":\"%s\"", name, field->text);
    }
}

static void put_number(struct line *line, const char *name, const struct number_field *field)
{
    if (field->given) {
        put(line, ",\"%s\":%" PRId64, name, field->number);
    }
}

static void put_answer(struct line *line, const struct record *record)
{
    static const char *const outcomes[] = {"ok", "fail", "info"};

    put(line, ",\"t0\":%" PRId64 ",\"t1\":%" PRId64 ",\"st\":\"%s\"", record->begun_ns,
        record->ended_ns, outcomes[record->outcome]);
    if (record->queued_ns != 0) {
        put(line, ",\"tq\":%" PRId64, record->queued_ns);
    }
    if (record->error != 0) {
        put(line, ",\"e\":\"%s\"", vxc_error_name(record->error));
    }
    put_text(line, "v", &record->v);
    put_number(line, "n", &record->n);
    if (record->fence != 0) {
        put(line, ",\"fence\":%" PRIu64, record->fence);
    }
    if (record->index != 0) {
        put(line, ",\"idx\":%" PRIu64, record->index);
    }
    put(line, ",\"at\":\"%s\"}\n", record->endpoint);
}

void record_write(const struct record *record)
{
    struct line line = {.size = 0};

    put(&line, "{\"i\":%llu,\"c\":%" PRIu64, atomic_fetch_add(&history.number, 1), record->client);
    if (record->session != 0) {
        put(&line, ",\"s\":\"%" PRIu64 "\"", record->session);
    }
    if (record->sequence != 0) {
        put(&line, ",\"q\":%" PRIu64, record->sequence);
    }
    put(&line, ",\"f\":\"%s\",\"k\":\"%s\"", record->function, record->key);
    put_text(&line, "a", &record->a);
    put_number(&line, "a", &record->a_number);
    put_text(&line, "b", &record->b);
    put_number(&line, "b", &record->b_number);
    put_answer(&line, record);
    atomic_fetch_add(&history.outcomes[record->outcome], 1);
    if (fwrite(line.text, 1, line.size, history.file) != line.size) { /* locks the file */
        atomic_store(&history.broken, true);
    }
}

/* ---- totals ---- */

void record_count_lost_session(void)
{
    atomic_fetch_add(&history.sessions_lost, 1);
}

void record_note_write(int64_t ended_ns)
{
    const long long before = atomic_exchange(&history.written_ns, ended_ns);
    const long long gap = ended_ns - before;
    long long longest = atomic_load(&history.gap_ns);

    while (before != 0 && gap > longest &&
           !atomic_compare_exchange_weak(&history.gap_ns, &longest, gap)) {
    }
}

int record_close(struct record_totals *totals)
{
    const bool broken = fclose(history.file) != 0 || atomic_load(&history.broken);

    *totals = (struct record_totals){
        .ok = atomic_load(&history.outcomes[OUTCOME_OK]),
        .fail = atomic_load(&history.outcomes[OUTCOME_FAIL]),
        .info = atomic_load(&history.outcomes[OUTCOME_INFO]),
        .sessions_lost = atomic_load(&history.sessions_lost),
        .gap_ns = atomic_load(&history.gap_ns),
    };
    return broken ? -1 : 0;
}
