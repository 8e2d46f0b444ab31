/* Nodes as a program embeds them: snapshots while they serve, and new nodes from these. */
#include "embedded_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void restore(const struct place *from, const char *name, struct place *to)
{
    struct vxc_restore_options options = vxc_restore_options();
    struct vxc_restore_report report;
    struct vxc_error err = {0};
    char path[100];

    make_place(to);
    (void)snprintf(path, sizeof path, "%s/%s", from->root, name);
    options.path = path;
    options.data = to->data;
    if (vxc_node_restore(&options, &report, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_true(report.index == report.from_index + 1);
    assert_memory_not_equal(report.cluster_id, report.from_cluster_id, 16);
}

static void a_snapshot_is_saved_while_the_node_serves_and_restored(void **state)
{
    struct vxc_snapshot_info info;
    struct vxc_error err = {0};
    char path[100];
    struct place p;
    struct place q;
    struct end e;

    (void)state;
    for (int own_thread = 0; own_thread < 2; own_thread++) {
        make_place(&p);
        start(&p);
        if (own_thread) {
            assert_int_equal(vxc_node_spawn(p.node, NULL), 0);
        }
        dial(&e, p.node, !own_thread);
        put(&e, "k", "v");
        (void)snprintf(path, sizeof path, "%s/s", p.root);
        assert_int_equal(vxc_node_snapshot(p.node, path, VXC_SNAPSHOT_ZLIB, &info, &err), 0);
        assert_true(info.index > 0 && info.rows > 0 && info.file_bytes > 0);
        assert_int_equal(info.node_id, 1);
        put(&e, "k", "later");
        assert_int_equal(vxc_node_snapshot(p.node, path, VXC_SNAPSHOT_LZ4, NULL, &err), 0);
        put(&e, "k", "latest");
        hang_up(&e);
        restore(&p, "s", &q);
        spawn(&q);
        dial(&e, q.node, false);
        assert_true(holds(&e, "k", "later"));
        hang_up(&e);
        remove_place(&q);
        remove_place(&p);
    }
}

static void a_snapshot_that_cannot_be_written_is_an_error(void **state)
{
    struct vxc_error err = {0};
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    spawn(&p);
    assert_true(vxc_node_snapshot(p.node, "/dev/null/s", VXC_SNAPSHOT_LZ4, NULL, &err) < 0);
    assert_non_null(strstr(err.text, "/dev/null/s"));
    assert_int_equal(vxc_node_snapshot(p.node, "/tmp/s", 9, NULL, &err), VXC_EINVAL);
    assert_int_equal(vxc_node_snapshot(p.node, "", VXC_SNAPSHOT_LZ4, NULL, &err), VXC_EINVAL);
    dial(&e, p.node, false);
    put(&e, "k", "v"); /* it lives on */
    hang_up(&e);
    vxc_node_stop(p.node);
    vxc_node_join(p.node);
    assert_int_equal(vxc_node_snapshot(p.node, "/tmp/s", VXC_SNAPSHOT_LZ4, NULL, &err),
                     VXC_ECLOSED);
    remove_place(&p);
}

struct outcome {
    int calls, code;
    uint64_t index;
    int from_within; /* what a wait from within the callback says */
    struct vxc_node *node;
};

static void on_saved(void *data, int code, const struct vxc_snapshot_info *info,
                     const char *message)
{
    struct outcome *o = data;

    assert_non_null(message);
    o->calls++;
    o->code = code;
    o->index = info == NULL ? 0 : info->index;
    o->from_within = vxc_node_snapshot(o->node, "/tmp/s", VXC_SNAPSHOT_LZ4, NULL, NULL);
}

static void a_snapshot_tells_its_end_from_the_drivers_thread(void **state)
{
    struct outcome first = {0};
    struct outcome second = {0};
    char path[100];
    struct place p;

    (void)state;
    make_place(&p);
    start(&p);
    first.node = second.node = p.node;
    (void)snprintf(path, sizeof path, "%s/s", p.root);
    assert_int_equal(
        vxc_node_snapshot_begin(p.node, path, VXC_SNAPSHOT_PLAIN, &first, on_saved, NULL), 0);
    assert_int_equal(
        vxc_node_snapshot_begin(p.node, path, VXC_SNAPSHOT_PLAIN, &second, on_saved, NULL),
        VXC_EBUSY);
    while (first.calls == 0) {
        drive(p.node);
    }
    assert_int_equal(first.code, 0);
    assert_true(first.index > 0);
    assert_int_equal(first.from_within, VXC_EINVAL);
    assert_int_equal(
        vxc_node_snapshot_begin(p.node, path, VXC_SNAPSHOT_PLAIN, &second, on_saved, NULL), 0);
    vxc_node_free(p.node); /* before anything of it was driven */
    p.node = NULL;
    assert_int_equal(second.calls, 1);
    assert_int_equal(second.code, VXC_ECANCELED);
    assert_int_equal(first.calls, 1);
    remove_place(&p);
}

/* Only the entries that a folder has beside its own two. */
static int entries_of(const char *path)
{
    DIR *folder = opendir(path);
    int count = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count - 2;
}

static void a_restore_needs_a_whole_file_and_an_empty_folder(void **state)
{
    struct vxc_restore_options options = vxc_restore_options();
    struct vxc_error err = {0};
    char path[100];
    char fresh[100];
    FILE *file;
    struct place p;

    (void)state;
    make_place(&p);
    spawn(&p);
    (void)snprintf(path, sizeof path, "%s/s", p.root);
    (void)snprintf(fresh, sizeof fresh, "%s/fresh", p.root);
    assert_int_equal(vxc_node_snapshot(p.node, path, VXC_SNAPSHOT_LZ4, NULL, NULL), 0);
    options.path = path;
    assert_int_equal(vxc_node_restore(&options, NULL, &err), VXC_EINVAL);
    options.data = p.data;
    assert_int_equal(vxc_node_restore(&options, NULL, &err), VXC_EEXISTS);
    options.data = fresh;
    options.node_id = 0;
    assert_int_equal(vxc_node_restore(&options, NULL, &err), VXC_EINVAL);
    options.node_id = 1;
    options.path = "/nowhere/s";
    assert_int_equal(vxc_node_restore(&options, NULL, &err), VXC_ENOTFOUND);
    file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -40, SEEK_END), 0);
    assert_int_equal(fputc(0x5a, file), 0x5a);
    assert_int_equal(fclose(file), 0);
    options.path = path;
    assert_int_equal(vxc_node_restore(&options, NULL, &err), VXC_ECORRUPT);
    assert_non_null(strstr(err.text, path));
    assert_int_not_equal(access(fresh, F_OK), 0); /* as it was */
    assert_true(entries_of(p.root) == 2);
    remove_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_is_saved_while_the_node_serves_and_restored),
        cmocka_unit_test(a_snapshot_that_cannot_be_written_is_an_error),
        cmocka_unit_test(a_snapshot_tells_its_end_from_the_drivers_thread),
        cmocka_unit_test(a_restore_needs_a_whole_file_and_an_empty_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
