#include "node/identity.h"

#include "base/bytes.h"
#include "base/crc.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];
static char data[80];

static int setup(void **state)
{
    (void)state;
    strcpy(root, "/tmp/vxc-identity-XXXXXX");
    assert_non_null(mkdtemp(root));
    (void)snprintf(data, sizeof data, "%s/d", root);
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void a_new_directory_becomes_private_and_ours(void **state)
{
    struct vxc_identity identity;
    struct stat s;
    (void)state;
    assert_int_equal(vxc_identity_open(data, 7, &identity, NULL), 0);
    assert_true(identity.fresh);
    assert_false(identity.clean);
    assert_int_equal(stat(data, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0700);
    vxc_identity_close(&identity, true);
    assert_int_equal(vxc_identity_open(data, 7, &identity, NULL), 0);
    assert_false(identity.fresh);
    assert_true(identity.clean);
    vxc_identity_close(&identity, false);
    assert_int_equal(vxc_identity_open(data, 7, &identity, NULL), 0);
    assert_false(identity.clean);
    vxc_identity_close(&identity, false);
}

static void a_directory_of_another_node_is_refused_by_name(void **state)
{
    struct vxc_identity identity;
    struct vxc_error err = {0};
    (void)state;
    assert_int_equal(vxc_identity_open(data, 7, &identity, NULL), 0);
    vxc_identity_close(&identity, true);
    assert_int_equal(vxc_identity_open(data, 8, &identity, &err), VXC_EFOREIGN);
    assert_non_null(strstr(err.text, "node 7"));
    assert_non_null(strstr(err.text, "--node-id 7"));
}

static void write_node_file(const void *bytes, size_t size)
{
    char path[100];
    (void)snprintf(path, sizeof path, "%s/node", data);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

static void each_start_is_a_life_and_each_directory_an_incarnation(void **state)
{
    struct vxc_identity identity;
    uint64_t incarnation;
    (void)state;
    assert_int_equal(vxc_identity_open(data, 7, &identity, NULL), 0);
    incarnation = identity.incarnation;
    assert_int_not_equal(incarnation, 0);
    assert_int_equal(identity.life, 1);
    vxc_identity_close(&identity, false);
    for (uint64_t life = 2; life < 5; life++) {
        assert_int_equal(vxc_identity_open(data, 7, &identity, NULL), 0);
        assert_int_equal(identity.incarnation, incarnation);
        assert_int_equal(identity.life, life);
        vxc_identity_close(&identity, life % 2 == 0);
    }
    strcat(data, "2");
    assert_int_equal(vxc_identity_open(data, 7, &identity, NULL), 0);
    assert_int_not_equal(identity.incarnation, incarnation);
    vxc_identity_close(&identity, false);
}

/* As the first version wrote it for node 7. */
static void a_directory_of_format_1_is_upgraded_in_place(void **state)
{
    static const uint8_t old[] = {'v', 'x', 'c', ' ', 'n', 'o', 'd', 'e', 1, 0,
                                  0,   0,   7,   0,   0,   0,   0,   0,   0, 0};
    uint8_t whole[24];
    struct vxc_identity identity;
    uint64_t incarnation;
    (void)state;
    memcpy(whole, old, sizeof old);
    vxc_store_u32(whole + 20, vxc_crc32(0, old, sizeof old));
    assert_int_equal(mkdir(data, 0700), 0);
    write_node_file(whole, sizeof whole);
    assert_int_equal(vxc_identity_open(data, 8, &identity, NULL), VXC_EFOREIGN);
    assert_int_equal(vxc_identity_open(data, 7, &identity, NULL), 0);
    assert_false(identity.fresh);
    incarnation = identity.incarnation;
    assert_int_not_equal(incarnation, 0);
    assert_int_equal(identity.life, 1);
    vxc_identity_close(&identity, false);
    assert_int_equal(vxc_identity_open(data, 7, &identity, NULL), 0);
    assert_int_equal(identity.incarnation, incarnation);
    assert_int_equal(identity.life, 2);
    vxc_identity_close(&identity, false);
}

static void a_newer_format_is_told_apart_from_damage(void **state)
{
    uint8_t newer[60] = "vxc node";
    struct vxc_identity identity;
    struct vxc_error err = {0};
    (void)state;
    newer[8] = 3;
    vxc_store_u32(newer + 56, vxc_crc32(0, newer, 56));
    assert_int_equal(mkdir(data, 0700), 0);
    write_node_file(newer, 20);
    assert_int_equal(vxc_identity_open(data, 7, &identity, &err), VXC_ECORRUPT);
    write_node_file(newer, sizeof newer);
    assert_int_equal(vxc_identity_open(data, 7, &identity, &err), VXC_EVERSION);
    assert_non_null(strstr(err.text, "format 3"));
}

static void a_second_process_is_locked_out_and_told_by_whom(void **state)
{
    struct vxc_identity identity;
    int status;
    (void)state;
    assert_int_equal(vxc_identity_open(data, 1, &identity, NULL), 0);
    pid_t child = fork();
    if (child == 0) {
        struct vxc_identity other;
        struct vxc_error err = {0};
        char pid[32];
        (void)snprintf(pid, sizeof pid, "pid %ld", (long)getppid());
        int rv = vxc_identity_open(data, 1, &other, &err);
        _exit(rv == VXC_ELOCKED && strstr(err.text, pid) != NULL ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    vxc_identity_close(&identity, false);
}

static void every_flipped_bit_of_the_identity_is_noticed(void **state)
{
    struct vxc_identity identity;
    char path[1200];
    (void)state;
    assert_int_equal(vxc_identity_open(data, 1, &identity, NULL), 0);
    vxc_identity_path(&identity, "node", path);
    vxc_identity_close(&identity, false);
    for (int bit = 0; bit < 40 * 8; bit++) {
        struct vxc_error err = {0};
        uint8_t byte;
        int fd = open(path, O_RDWR | O_CLOEXEC);
        assert_int_equal(pread(fd, &byte, 1, bit / 8), 1);
        byte ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(pwrite(fd, &byte, 1, bit / 8), 1);
        assert_int_equal(vxc_identity_open(data, 1, &identity, &err), VXC_ECORRUPT);
        assert_non_null(strstr(err.text, path));
        byte ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(pwrite(fd, &byte, 1, bit / 8), 1);
        close(fd);
    }
    assert_int_equal(vxc_identity_open(data, 1, &identity, NULL), 0);
    vxc_identity_close(&identity, false);
}

static void a_lost_identity_beside_data_is_damage(void **state)
{
    struct vxc_identity identity;
    char path[1200];
    (void)state;
    assert_int_equal(vxc_identity_open(data, 1, &identity, NULL), 0);
    vxc_identity_path(&identity, "log", path);
    assert_int_equal(mkdir(path, 0700), 0);
    vxc_identity_path(&identity, "node", path);
    assert_int_equal(unlink(path), 0);
    vxc_identity_close(&identity, false);
    assert_int_equal(vxc_identity_open(data, 1, &identity, NULL), VXC_ECORRUPT);
}

static void the_endpoint_is_written_whole_and_removed(void **state)
{
    struct vxc_identity identity;
    char path[1200];
    char text[64] = {0};
    (void)state;
    assert_int_equal(vxc_identity_open(data, 1, &identity, NULL), 0);
    assert_int_equal(vxc_identity_write_endpoint(&identity, "127.0.0.1:7", NULL), 0);
    vxc_identity_path(&identity, "endpoint", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    assert_string_equal(text, "127.0.0.1:7\n");
    vxc_identity_remove_endpoint(&identity);
    assert_int_not_equal(access(path, F_OK), 0);
    vxc_identity_close(&identity, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_directory_becomes_private_and_ours, setup, teardown),
        cmocka_unit_test_setup_teardown(a_directory_of_another_node_is_refused_by_name, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(each_start_is_a_life_and_each_directory_an_incarnation,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_directory_of_format_1_is_upgraded_in_place, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_newer_format_is_told_apart_from_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_process_is_locked_out_and_told_by_whom, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_flipped_bit_of_the_identity_is_noticed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_lost_identity_beside_data_is_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(the_endpoint_is_written_whole_and_removed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
