#include "fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct vxc_slice text(const char *string)
{
    return string == NULL ? vxc_slice(NULL, 0) : vxc_slice_of_string(string);
}

struct vxc_command fixture_command(uint16_t op, const char *name, const char *key,
                                   const char *value)
{
    return (struct vxc_command){
        .op = op, .name = text(name), .key = text(key), .value = text(value)};
}

static void copy_text(char *to, size_t room, struct vxc_slice from)
{
    size_t size = from.size < room - 1 ? from.size : room - 1;

    if (size != 0) {
        memcpy(to, from.data, size);
    }
    to[size] = '\0';
}

static void on_event(void *data, const struct vxc_event *event)
{
    struct fixture *f = data;
    struct fixture_event *copy;

    assert_true(f->event_count < FIXTURE_EVENTS_MAX);
    copy = &f->events[f->event_count++];
    *copy = (struct fixture_event){
        .type = event->type,
        .kind = event->kind,
        .index = event->index,
        .ordinal = event->ordinal,
        .session = event->session,
        .ticket = event->ticket,
        .token = event->token,
        .number = event->number,
    };
    copy_text(copy->name, sizeof copy->name, event->name);
    copy_text(copy->key, sizeof copy->key, event->key);
    copy_text(copy->value, sizeof copy->value, event->value);
}

/* Copies the result with what its slices borrow. */
static void keep(struct fixture *f, const struct vxc_result *result)
{
    f->result = *result;
    vxc_buffer_clear(&f->kept);
    assert_int_equal(vxc_buffer_reserve(&f->kept, result->value.size + result->next.size + 1), 0);
    assert_int_equal(vxc_buffer_append(&f->kept, result->value.data, result->value.size), 0);
    assert_int_equal(vxc_buffer_append(&f->kept, result->next.data, result->next.size), 0);
    if (result->value.data != NULL) {
        f->result.value.data = f->kept.data;
    }
    if (result->next.data != NULL) {
        f->result.next.data = f->kept.data + result->value.size;
    }
}

static void on_result(void *data, uint32_t position, const struct vxc_result *result)
{
    assert_int_equal(position, 0);
    keep(data, result);
}

static void open_state(struct fixture *f)
{
    const struct vxc_store_options options = {.map_size = 1u << 30, .synchronous = true};
    const struct vxc_fsm_hooks hooks = {f, on_result, on_event};
    struct vxc_error err = {0};

    if (vxc_store_open(f->folder, &options, &f->store, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(vxc_table_create(f->store, 1u << 20, &f->table), 0);
    if (vxc_fsm_create(f->table, &f->fsm, &err) != 0) {
        fail_msg("%s", err.text);
    }
    vxc_fsm_set_hooks(f->fsm, &hooks);
}

static void close_state(struct fixture *f)
{
    vxc_fsm_free(f->fsm);
    vxc_table_free(f->table);
    vxc_store_close(f->store);
}

void fixture_open(struct fixture *f)
{
    const char *base = getenv("TMPDIR");

    *f = (struct fixture){.index = 1, .stamp_ms = 1000};
    (void)snprintf(f->folder, sizeof f->folder, "%s/vxc-fsm-XXXXXX", base == NULL ? "/tmp" : base);
    assert_non_null(mkdtemp(f->folder));
    open_state(f);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

void fixture_close(struct fixture *f)
{
    close_state(f);
    vxc_buffer_free(&f->kept);
    vxc_buffer_free(&f->entry);
    assert_int_equal(nftw(f->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

int fixture_setup(void **state)
{
    struct fixture *f = malloc(sizeof *f);

    assert_non_null(f);
    fixture_open(f);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

void fixture_commit(struct fixture *f)
{
    struct vxc_store_meta meta = {0};

    vxc_fsm_flush(f->fsm, &meta);
    vxc_table_freeze(f->table, &meta);
    vxc_store_wait(f->store);
    if (vxc_store_collect(f->store)) {
        vxc_table_thaw(f->table);
    }
    vxc_table_end_turn(f->table);
}

void fixture_restart(struct fixture *f)
{
    fixture_commit(f);
    close_state(f);
    open_state(f);
}

void fixture_reopen(struct fixture *f)
{
    open_state(f);
}

static void apply(struct fixture *f, uint32_t count)
{
    struct vxc_error err = {0};

    vxc_entry_finish(&f->entry, f->stamp_ms, count);
    if (vxc_fsm_apply(f->fsm, f->index++, 1, vxc_buffer_slice(&f->entry), false, 0, NULL, NULL,
                      &err) != 0) {
        fail_msg("%s", err.text);
    }
}

const struct vxc_result *fixture_run(struct fixture *f, const struct vxc_command *command)
{
    assert_int_equal(vxc_entry_begin(&f->entry), 0);
    assert_int_equal(vxc_entry_add(&f->entry, command), 0);
    apply(f, 1);
    return &f->result;
}

const struct vxc_result *fixture_ask(struct fixture *f, const struct vxc_command *query)
{
    struct vxc_result result;

    vxc_fsm_query(f->fsm, query, &result);
    keep(f, &result);
    return &f->result;
}

void fixture_pass_time(struct fixture *f, uint64_t ms)
{
    f->stamp_ms += ms;
    assert_int_equal(vxc_entry_begin(&f->entry), 0);
    apply(f, 0);
}

void fixture_forget_events(struct fixture *f)
{
    f->event_count = 0;
}

uint32_t fixture_count(struct vxc_slice list)
{
    uint32_t count;
    struct vxc_slice rest;

    assert_int_equal(vxc_list_read_head(list, &count, &rest), 0);
    return count;
}

struct vxc_slice fixture_item(struct vxc_slice list, uint32_t index)
{
    uint32_t count;
    struct vxc_slice rest, item = {NULL, 0};

    assert_int_equal(vxc_list_read_head(list, &count, &rest), 0);
    assert_true(index < count);
    for (uint32_t i = 0; i <= index; i++) {
        assert_int_equal(vxc_list_next(&rest, &item), 0);
    }
    return item;
}
