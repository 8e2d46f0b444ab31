/* Fetching an image over a link that loses, cuts and spoils. */
#include "unit/storage/state_model.h"

#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "node/fetch.h"
#include "storage/image.h"
#include "storage/verify.h"

enum { PEER = 3, OTHER = 4, IMAGE = 77, MESSAGES_MAX = 64 };

static const uint8_t cluster_id[VXC_IMAGE_CLUSTER_ID_SIZE] = {1, 2, 3};

struct fixture {
    struct driver d;
    char image[4200];
    char incoming[4200];
    uint8_t *bytes;
    size_t size;
    struct vxc_image_info info;
    struct vxc_fetch *fetch;
    struct vxc_clock clock;
    uint64_t now_ms;
    struct vxc_logger logger;
    struct vxc_error err;

    /* the link: what was sent and is not answered yet */
    uint64_t name; /* of the image that the peer has; 0 = none */
    int refuses;   /* what send() says; 0 = it takes everything */
    struct vxc_message sent[MESSAGES_MAX];
    int sent_count;
    uint64_t wants, reads, most_under_way;
};

static uint64_t monotonic_ns(void *data)
{
    return ((struct fixture *)data)->now_ms * 1000000;
}

static void drop_line(void *data, enum vxc_log_level level, const char *line)
{
    (void)data;
    (void)level;
    (void)line;
}

static int keep_sent(void *data, uint64_t peer, const struct vxc_message *message)
{
    struct fixture *f = data;

    assert_int_equal(peer, PEER);
    if (f->refuses != 0) {
        return f->refuses;
    }
    assert_true(f->sent_count < MESSAGES_MAX);
    f->sent[f->sent_count++] = *message;
    if (message->kind == VXC_KIND_PEER_IMAGE_WANT) {
        f->wants++;
    } else {
        assert_int_equal(message->kind, VXC_KIND_PEER_IMAGE_READ);
        assert_in_range(message->peer_image_read.size, 1, VXC_PEER_IMAGE_READ_SIZE);
        f->reads++;
        f->most_under_way = (uint64_t)f->sent_count > f->most_under_way ? (uint64_t)f->sent_count
                                                                        : f->most_under_way;
    }
    return 0;
}

/* `mebibytes` of state that does not compress: so many pieces. */
static void fill_state(struct driver *d, int mebibytes)
{
    static uint8_t value[1024];

    for (int i = 0; i < mebibytes * 1024; i++) {
        struct vxc_row_key key;

        for (size_t k = 0; k < sizeof value; k++) {
            value[k] = (uint8_t)random_below(&d->random, 256);
        }
        vxc_row_key_begin(&key);
        vxc_row_key_u64(&key, (uint64_t)i + 1);
        both_put(d, VXC_DB_COUNTERS, vxc_row_key_slice(&key), vxc_slice(value, sizeof value));
        d->index++;
        if (i % 512 == 511) {
            driver_flush(d);
        }
    }
    driver_flush(d);
}

static void read_file(const char *path, uint8_t **bytes, size_t *size)
{
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    *bytes = malloc(*size + 1);
    assert_int_equal(fread(*bytes, 1, *size, file), *size);
    (void)fclose(file);
}

static void create(struct fixture *f)
{
    const struct vxc_fetch_options options = {.folder = f->incoming,
                                              .clock = &f->clock,
                                              .logger = &f->logger,
                                              .data = f,
                                              .send = keep_sent};

    assert_int_equal(vxc_fetch_create(&options, &f->fetch, &f->err), 0);
}

static void init(struct fixture *f, int mebibytes)
{
    struct vxc_image_write_options write = {.compression = VXC_IMAGE_LZ4, .node_id = PEER};

    memset(f, 0, sizeof *f);
    memcpy(write.cluster_id, cluster_id, sizeof cluster_id);
    driver_init(&f->d, 5, true);
    (void)snprintf(f->image, sizeof f->image, "%s/image", f->d.folder);
    (void)snprintf(f->incoming, sizeof f->incoming, "%s/incoming", f->d.folder);
    fill_state(&f->d, mebibytes);
    assert_int_equal(vxc_image_write(f->d.store, f->image, &write, NULL, &f->info, &f->err), 0);
    read_file(f->image, &f->bytes, &f->size);
    f->clock = (struct vxc_clock){.data = f, .monotonic_ns = monotonic_ns};
    f->now_ms = 1000000;
    f->logger = (struct vxc_logger){.sink = drop_line};
    f->name = IMAGE;
    create(f);
}

static void deinit(struct fixture *f)
{
    vxc_fetch_free(f->fetch);
    assert_int_not_equal(access(f->incoming, F_OK), 0); /* nothing is left of it */
    free(f->bytes);
    (void)remove(f->image);
    driver_deinit(&f->d);
}

static void begin(struct fixture *f)
{
    vxc_fetch_begin(f->fetch, PEER, f->info.applied_index, cluster_id);
}

static void give_name(struct fixture *f, uint64_t name)
{
    struct vxc_message m = {.kind = VXC_KIND_PEER_IMAGE};

    m.peer_image.image = name;
    m.peer_image.file_bytes = f->size;
    m.peer_image.index = f->info.applied_index;
    m.peer_image.index_term = f->info.applied_term;
    vxc_fetch_on_message(f->fetch, PEER, &m);
}

static void give_bytes(struct fixture *f, uint64_t name, uint64_t offset, int code,
                       const uint8_t *bytes, size_t size)
{
    struct vxc_message m = {.kind = VXC_KIND_PEER_IMAGE_BYTES};

    m.peer_image_bytes.image = name;
    m.peer_image_bytes.offset = offset;
    m.peer_image_bytes.code = code;
    m.peer_image_bytes.bytes = vxc_slice(bytes, size);
    vxc_fetch_on_message(f->fetch, PEER, &m);
}

static struct vxc_message take_sent(struct fixture *f)
{
    struct vxc_message m = f->sent[0];

    f->sent_count--;
    memmove(f->sent, f->sent + 1, (size_t)f->sent_count * sizeof m);
    return m;
}

/* Answers the oldest question as a peer does. */
static void answer(struct fixture *f, const struct vxc_message *m)
{
    const struct vxc_msg_peer_image_read *r = &m->peer_image_read;

    if (m->kind == VXC_KIND_PEER_IMAGE_WANT) {
        if (f->name != 0) {
            give_name(f, f->name);
        } else {
            give_bytes(f, 0, 0, VXC_EBUSY, NULL, 0);
        }
    } else if (r->image != f->name) {
        give_bytes(f, r->image, r->offset, VXC_ENOTFOUND, NULL, 0);
    } else {
        assert_true(r->offset + r->size <= f->size);
        give_bytes(f, r->image, r->offset, 0, f->bytes + r->offset, r->size);
    }
}

static void pass_time(struct fixture *f, uint64_t ms)
{
    f->now_ms += ms;
    (void)vxc_fetch_turn(f->fetch);
}

/* Answers all, until it is ready or has failed, or `answers` were given. */
static enum vxc_fetch_state go_on(struct fixture *f, int answers)
{
    enum vxc_fetch_state state;

    while ((state = vxc_fetch_state(f->fetch)) != VXC_FETCH_READY && state != VXC_FETCH_FAILED) {
        if (state == VXC_FETCH_CHECKING) {
            (void)vxc_fetch_turn(f->fetch);
            (void)poll(NULL, 0, 1);
        } else if (f->sent_count == 0) {
            pass_time(f, VXC_PEER_IMAGE_RETRY_MS);
        } else if (answers-- > 0) {
            struct vxc_message m = take_sent(f);

            answer(f, &m);
        } else {
            break;
        }
    }
    return state;
}

/* The state lies there, whole. */
static void check_ready(struct fixture *f)
{
    struct vxc_verify_report report;
    char path[4300];

    if (vxc_fetch_state(f->fetch) != VXC_FETCH_READY) {
        fail_msg("%s", vxc_fetch_error(f->fetch)->text);
    }
    (void)snprintf(path, sizeof path, "%s/state", f->incoming);
    assert_int_equal(vxc_verify_state(path, &report, &f->err), 0);
    assert_int_equal(report.applied_index, f->info.applied_index);
    assert_int_equal(report.digest, f->info.digest);
    assert_int_equal(vxc_fetch_info(f->fetch)->applied_index, f->info.applied_index);
    assert_int_equal(vxc_fetch_info(f->fetch)->applied_term, f->info.applied_term);
}

static void check_failed(struct fixture *f, int code, const char *text)
{
    assert_int_equal(vxc_fetch_state(f->fetch), VXC_FETCH_FAILED);
    assert_int_equal(vxc_fetch_error(f->fetch)->code, code);
    if (strstr(vxc_fetch_error(f->fetch)->text, text) == NULL) {
        fail_msg("\"%s\" without \"%s\"", vxc_fetch_error(f->fetch)->text, text);
    }
    assert_int_not_equal(access(f->incoming, F_OK), 0);
}

static void an_image_comes_in_pieces_a_few_at_a_time(void **state)
{
    struct fixture f;
    uint64_t done;
    uint64_t total;

    (void)state;
    init(&f, 9);
    begin(&f);
    assert_int_equal(vxc_fetch_state(f.fetch), VXC_FETCH_ASKING);
    assert_int_equal(go_on(&f, 4), VXC_FETCH_FETCHING);
    vxc_fetch_progress(f.fetch, &done, &total);
    assert_in_range(done, 1, total - 1);
    assert_int_equal(total, f.size);
    (void)go_on(&f, 1000);
    check_ready(&f);
    assert_int_equal(f.most_under_way, VXC_PEER_IMAGE_INFLIGHT);
    assert_int_equal(f.reads, (f.size + VXC_PEER_IMAGE_READ_SIZE - 1) / VXC_PEER_IMAGE_READ_SIZE);
    assert_int_equal(f.wants, 1);
    deinit(&f);
}

static void a_link_that_breaks_behind_any_piece_is_no_more_than_a_pause(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 6);
    for (int pieces = 0; pieces < 7; pieces++) {
        uint64_t reads;

        f.sent_count = 0;
        f.reads = 0;
        begin(&f);
        assert_int_equal(go_on(&f, 1 + pieces), VXC_FETCH_FETCHING);
        f.sent_count = 0; /* the connection is gone, and all that was under way */
        f.refuses = VXC_ECLOSED;
        for (int i = 0; i < 10; i++) {
            pass_time(&f, VXC_PEER_IMAGE_RETRY_MS);
        }
        assert_int_equal(vxc_fetch_state(f.fetch), VXC_FETCH_FETCHING);
        f.refuses = 0;
        reads = f.reads;
        (void)go_on(&f, 1000);
        check_ready(&f);
        /* nothing came twice */
        assert_int_equal(f.reads - reads, 7 - pieces);
    }
    deinit(&f);
}

static void a_damaged_piece_is_refused_and_comes_again(void **state)
{
    struct fixture f;
    uint8_t *spoiled = malloc(VXC_PEER_IMAGE_READ_SIZE);

    (void)state;
    init(&f, 4);
    for (size_t at = 0; at < VXC_PEER_IMAGE_READ_SIZE; at += 99991) {
        begin(&f);
        assert_int_equal(go_on(&f, 2), VXC_FETCH_FETCHING);
        for (int piece = 0; piece < 2; piece++) {
            struct vxc_message m = take_sent(&f);
            const struct vxc_msg_peer_image_read *r = &m.peer_image_read;

            memcpy(spoiled, f.bytes + r->offset, r->size);
            spoiled[at] ^= 1;
            give_bytes(&f, IMAGE, r->offset, 0, spoiled, r->size);
        }
        assert_int_equal(vxc_fetch_state(f.fetch), VXC_FETCH_FETCHING);
        (void)go_on(&f, 1000);
        check_ready(&f);
        f.sent_count = 0;
    }
    free(spoiled);
    deinit(&f);
}

/* A piece of another size, another place, another image, another peer. */
static void what_was_not_asked_for_is_not_taken(void **state)
{
    struct vxc_message m = {.kind = VXC_KIND_PEER_IMAGE_BYTES};
    struct fixture f;

    (void)state;
    init(&f, 4);
    begin(&f);
    assert_int_equal(go_on(&f, 1), VXC_FETCH_FETCHING);
    give_bytes(&f, IMAGE + 1, 0, 0, f.bytes, 1000);
    give_bytes(&f, IMAGE, 1, 0, f.bytes, 1000);
    give_bytes(&f, IMAGE, 1 << 20, 0, f.bytes + (1 << 20), 1 << 20);
    give_bytes(&f, IMAGE, 0, 0, f.bytes, 0);
    give_bytes(&f, IMAGE, 0, VXC_EBUSY, f.bytes, 1000);
    m.peer_image_bytes.image = IMAGE;
    m.peer_image_bytes.bytes = vxc_slice(f.bytes, 1000);
    vxc_fetch_on_message(f.fetch, OTHER, &m);
    give_bytes(&f, IMAGE, 0, 0, f.bytes, 100); /* less than was asked for is fine */
    give_bytes(&f, IMAGE, 0, 0, f.bytes, 100); /* and twice does no harm */
    f.sent_count = 0;
    (void)go_on(&f, 1000);
    check_ready(&f);
    deinit(&f);
}

static void the_same_damage_again_and_again_ends_it(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 3);
    f.bytes[f.size / 2] ^= 1;
    begin(&f);
    (void)go_on(&f, 1000);
    check_failed(&f, VXC_ECORRUPT, "checksum mismatch of a chunk");
    f.bytes[f.size / 2] ^= 1;
    f.sent_count = 0;
    begin(&f);
    (void)go_on(&f, 1000);
    check_ready(&f);
    deinit(&f);
}

static void another_image_meanwhile_begins_anew(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 5);
    begin(&f);
    assert_int_equal(go_on(&f, 3), VXC_FETCH_FETCHING);
    f.name = IMAGE + 1; /* the peer was restarted, say */
    give_name(&f, f.name);
    f.sent_count = 0;
    (void)go_on(&f, 1000);
    check_ready(&f);
    f.sent_count = 0;
    begin(&f);
    assert_int_equal(go_on(&f, 3), VXC_FETCH_FETCHING);
    f.name = 0; /* it has none any more, and says so */
    (void)go_on(&f, 1000);
    check_failed(&f, VXC_ENOTFOUND, "no more");
    deinit(&f);
}

static void a_peer_that_makes_the_image_first_is_waited_for(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 2);
    f.name = 0;
    begin(&f);
    assert_int_equal(go_on(&f, 100), VXC_FETCH_ASKING); /* busy a hundred times */
    f.name = IMAGE;
    (void)go_on(&f, 1000);
    check_ready(&f);
    f.sent_count = 0;
    begin(&f);
    give_bytes(&f, 0, 0, VXC_ENOTFOUND, NULL, 0);
    check_failed(&f, VXC_ENOTFOUND, "no image");
    deinit(&f);
}

static void silence_ends_it(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 3);
    for (int answers = 0; answers < 3; answers++) {
        f.sent_count = 0;
        begin(&f);
        (void)go_on(&f, answers);
        f.refuses = VXC_ECLOSED;
        for (uint64_t ms = 0; ms < VXC_PEER_IMAGE_SILENCE_MS; ms += 500) {
            assert_int_not_equal(vxc_fetch_state(f.fetch), VXC_FETCH_FAILED);
            pass_time(&f, 500);
        }
        check_failed(&f, VXC_ETIMEOUT, "said nothing");
        f.refuses = 0;
    }
    deinit(&f);
}

static void an_image_of_another_cluster_or_too_old_is_refused_by_its_header(void **state)
{
    static const uint8_t foreign[VXC_IMAGE_CLUSTER_ID_SIZE] = {9};
    struct fixture f;

    (void)state;
    init(&f, 3);
    vxc_fetch_begin(f.fetch, PEER, 1, foreign);
    (void)go_on(&f, 1000);
    check_failed(&f, VXC_EFOREIGN, "another cluster");
    assert_true(f.reads <= VXC_PEER_IMAGE_INFLIGHT);
    f.sent_count = 0;
    vxc_fetch_begin(f.fetch, PEER, 1, NULL); /* a new member belongs to none yet */
    (void)go_on(&f, 1000);
    check_ready(&f);
    f.sent_count = 0;
    f.info.applied_index++; /* what the peer claims of it */
    begin(&f);
    (void)go_on(&f, 1000);
    check_failed(&f, VXC_ECORRUPT, "or later");
    deinit(&f);
}

/* A header, an index or a trailer that an announcement to the engine has is not for the fetch. */
static void announcements_to_the_engine_are_not_taken(void **state)
{
    struct vxc_message m = {.kind = VXC_KIND_PEER_IMAGE};
    struct fixture f;

    (void)state;
    init(&f, 1);
    begin(&f);
    m.peer_image.term = 4;
    m.peer_image.image = IMAGE;
    m.peer_image.file_bytes = f.size;
    m.peer_image.index = f.info.applied_index;
    vxc_fetch_on_message(f.fetch, PEER, &m);
    assert_int_equal(vxc_fetch_state(f.fetch), VXC_FETCH_ASKING);
    m.peer_image.term = 0;
    m.peer_image.index--; /* ends too early */
    vxc_fetch_on_message(f.fetch, PEER, &m);
    assert_int_equal(vxc_fetch_state(f.fetch), VXC_FETCH_ASKING);
    m.peer_image.index++;
    m.peer_image.file_bytes = 3; /* no image is so small */
    vxc_fetch_on_message(f.fetch, PEER, &m);
    check_failed(&f, VXC_ECORRUPT, "3 bytes");
    deinit(&f);
}

static void it_can_end_at_any_time(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 3);
    for (int answers = 0; answers < 6; answers++) {
        f.sent_count = 0;
        begin(&f);
        for (int i = 0; i < answers && f.sent_count > 0; i++) {
            struct vxc_message m = take_sent(&f);

            answer(&f, &m);
        }
        vxc_fetch_end(f.fetch);
        assert_int_equal(vxc_fetch_state(f.fetch), VXC_FETCH_NONE);
        assert_int_not_equal(access(f.incoming, F_OK), 0);
    }
    deinit(&f);
}

/* Its node ends, and starts again. */
static void restart(struct fixture *f)
{
    vxc_fetch_free(f->fetch);
    f->sent_count = 0;
    f->wants = f->reads = 0;
    create(f);
}

static uint64_t arrived(struct fixture *f)
{
    uint64_t done;
    uint64_t total;

    vxc_fetch_progress(f->fetch, &done, &total);
    return done;
}

/* Questions for what is behind `done` bytes. */
static uint64_t questions(const struct fixture *f, uint64_t done)
{
    return (f->size - done + VXC_PEER_IMAGE_READ_SIZE - 1) / VXC_PEER_IMAGE_READ_SIZE;
}

static void a_restart_in_the_middle_goes_on_where_it_was(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 9);
    for (int answers = 0; answers < 10; answers++) {
        uint64_t done;

        begin(&f);
        (void)go_on(&f, answers);
        assert_int_not_equal(vxc_fetch_state(f.fetch), VXC_FETCH_READY);
        done = arrived(&f);
        restart(&f);
        begin(&f);
        (void)go_on(&f, 1000);
        check_ready(&f);
        assert_true(done > 0 || answers < 3);
        assert_int_equal(f.reads, questions(&f, done));
        f.sent_count = 0;
        f.reads = 0;
    }
    deinit(&f);
}

static void another_image_than_before_the_restart_begins_anew(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 5);
    begin(&f);
    assert_int_equal(go_on(&f, 4), VXC_FETCH_FETCHING);
    f.name = IMAGE + 1;
    restart(&f);
    begin(&f);
    (void)go_on(&f, 1000);
    check_ready(&f);
    assert_int_equal(f.reads, questions(&f, 0));
    deinit(&f);
}

static void what_a_power_failure_has_spoilt_comes_again(void **state)
{
    struct fixture f;
    char part[4300];
    uint64_t done;
    FILE *file;

    (void)state;
    init(&f, 6);
    begin(&f);
    assert_int_equal(go_on(&f, 5), VXC_FETCH_FETCHING);
    done = arrived(&f);
    vxc_fetch_free(f.fetch);
    (void)snprintf(part, sizeof part, "%s/image.part", f.incoming);
    file = fopen(part, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)done / 2, SEEK_SET), 0);
    assert_int_equal(fwrite("spoilt", 1, 6, file), 6);
    assert_int_equal(fclose(file), 0);
    f.sent_count = 0;
    f.reads = 0;
    create(&f);
    begin(&f);
    (void)go_on(&f, 1000);
    check_ready(&f);
    assert_in_range(f.reads, questions(&f, done / 2), questions(&f, 0));
    deinit(&f);
}

static void what_nobody_wants_after_a_restart_goes(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 5);
    begin(&f);
    assert_int_equal(go_on(&f, 4), VXC_FETCH_FETCHING);
    restart(&f);
    pass_time(&f, VXC_SNAPSHOT_IDLE_MS - 1);
    assert_int_equal(access(f.incoming, F_OK), 0);
    pass_time(&f, 1);
    assert_int_not_equal(access(f.incoming, F_OK), 0);
    deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_comes_in_pieces_a_few_at_a_time),
        cmocka_unit_test(a_link_that_breaks_behind_any_piece_is_no_more_than_a_pause),
        cmocka_unit_test(a_damaged_piece_is_refused_and_comes_again),
        cmocka_unit_test(what_was_not_asked_for_is_not_taken),
        cmocka_unit_test(the_same_damage_again_and_again_ends_it),
        cmocka_unit_test(another_image_meanwhile_begins_anew),
        cmocka_unit_test(a_peer_that_makes_the_image_first_is_waited_for),
        cmocka_unit_test(silence_ends_it),
        cmocka_unit_test(an_image_of_another_cluster_or_too_old_is_refused_by_its_header),
        cmocka_unit_test(announcements_to_the_engine_are_not_taken),
        cmocka_unit_test(it_can_end_at_any_time),
        cmocka_unit_test(a_restart_in_the_middle_goes_on_where_it_was),
        cmocka_unit_test(another_image_than_before_the_restart_begins_anew),
        cmocka_unit_test(what_a_power_failure_has_spoilt_comes_again),
        cmocka_unit_test(what_nobody_wants_after_a_restart_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
