#include "tables.h"

#include "base/error.h"
#include "cases.h"
#include "text.h"
#include "wire/operations.h"

#include <stdlib.h>

/* What message.def cannot say, by message. */
struct semantics {
    const char *effect;  /* of a request: precondition and effect; else what the message means */
    const char *reply;   /* of a request: what the fields of the reply say */
    const char *error;   /* of a request: when and how it fails, besides what may happen to any */
    const char *too_big; /* of a request: when the reply would be over the frame limit */
};

static struct semantics semantics_of(uint16_t kind)
{
    switch (kind) {
#define R(NAME, effect, reply, error, too_big)                                                     \
    case VXC_KIND_##NAME:                                                                          \
        return (struct semantics){effect, reply, error, too_big};
#define D(NAME, meaning)                                                                           \
    case VXC_KIND_##NAME:                                                                          \
        return (struct semantics){meaning, NULL, NULL, NULL};
#include "semantics.def"
#undef D
#undef R
    default:
        fprintf(stderr, "tables: kind %u has no row in semantics.def\n", kind);
        exit(2);
    }
}

/* The first vector of a kind is the one that the table names. */
static const char *vector_of(uint16_t kind)
{
    size_t count;
    const struct vector *all = vectors(&count);

    for (size_t i = 0; i < count; i++) {
        if (all[i].message.kind == kind) {
            return all[i].name;
        }
    }
    fprintf(stderr, "tables: kind %u has no vector in cases.c\n", kind);
    exit(2);
}

static bool is_legacy(const struct vxc_message_schema *schema)
{
    return schema->kind < VXC_KIND_ERROR_REPLY;
}

static void print_requests(FILE *out, bool legacy)
{
    size_t count;
    const struct vxc_message_schema *all = vxc_message_schemas(&count);

    fputs("| kind | message | fields | precondition and effect | reply | on error | reply over the "
          "frame limit | vector |\n|---|---|---|---|---|---|---|---|\n",
          out);
    for (size_t i = 0; i < count; i++) {
        struct semantics s = semantics_of(all[i].kind);
        if (all[i].role != VXC_ROLE_REQUEST || is_legacy(&all[i]) != legacy) {
            continue;
        }
        fprintf(out, "| %u | %s | ", all[i].kind, all[i].name);
        text_field_types(out, &all[i]);
        fprintf(out, " | %s | %u %s: %s | %s | %s | %s |\n", s.effect, all[i].reply,
                vxc_message_schema(all[i].reply)->name, s.reply, s.error, s.too_big,
                vector_of(all[i].kind));
    }
}

static void print_others(FILE *out, enum vxc_message_role role, bool legacy)
{
    size_t count;
    const struct vxc_message_schema *all = vxc_message_schemas(&count);

    fputs("| kind | message | fields | meaning | vector |\n|---|---|---|---|---|\n", out);
    for (size_t i = 0; i < count; i++) {
        if (all[i].role != role || is_legacy(&all[i]) != legacy) {
            continue;
        }
        fprintf(out, "| %u | %s | ", all[i].kind, all[i].name);
        text_field_types(out, &all[i]);
        fprintf(out, " | %s | %s |\n", semantics_of(all[i].kind).effect, vector_of(all[i].kind));
    }
}

static void print_operations(FILE *out)
{
    size_t count;
    const struct vxc_sync_schema *all = vxc_sync_schemas(&count);

    fputs("| tag | operation | fields |\n|---|---|---|\n", out);
    for (size_t i = 0; i < count; i++) {
        struct vxc_message_schema fields = {.fields_count = all[i].fields_count,
                                            .fields = all[i].fields};
        fprintf(out, "| %u | %s | ", all[i].tag, all[i].name);
        text_field_types(out, &fields);
        fputs(" |\n", out);
    }
}

static void print_errors(FILE *out)
{
    fputs("| code | name | text |\n|---|---|---|\n", out);
#define X(name, text) fprintf(out, "| %d | %s | %s |\n", VXC_##name, #name, text);
    VXC_ERROR_MAP(X)
#undef X
}

bool print_table(FILE *out, const char *name)
{
    if (strcmp(name, "legacy-requests") == 0) {
        print_requests(out, true);
    } else if (strcmp(name, "legacy-replies") == 0) {
        print_others(out, VXC_ROLE_REPLY, true);
    } else if (strcmp(name, "requests") == 0) {
        print_requests(out, false);
    } else if (strcmp(name, "replies") == 0) {
        print_others(out, VXC_ROLE_REPLY, false);
    } else if (strcmp(name, "events") == 0) {
        print_others(out, VXC_ROLE_EVENT, false);
    } else if (strcmp(name, "records") == 0) {
        print_others(out, VXC_ROLE_RECORD, false);
    } else if (strcmp(name, "operations") == 0) {
        print_operations(out);
    } else if (strcmp(name, "errors") == 0) {
        print_errors(out);
    } else {
        return false;
    }
    return true;
}
