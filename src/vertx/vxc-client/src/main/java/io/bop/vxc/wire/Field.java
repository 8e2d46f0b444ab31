package io.bop.vxc.wire;

/** One field of a message: its name and type, in the order of the wire. */
final class Field {
    final String name;
    final FieldType type;

    private Field(String name, FieldType type) {
        this.name = name;
        this.type = type;
    }

    /** Reads "name:TYPE name:TYPE". */
    static Field[] parse(String text) {
        if (text.isEmpty()) {
            return new Field[0];
        }
        String[] words = text.split(" ");
        Field[] fields = new Field[words.length];
        for (int i = 0; i < words.length; i++) {
            int colon = words[i].indexOf(':');
            FieldType type = FieldType.valueOf(words[i].substring(colon + 1));
            fields[i] = new Field(words[i].substring(0, colon).intern(), type);
        }
        return fields;
    }

    /** The position of the field with that name; asking for one that is not there is a programmer's mistake. */
    static int indexOf(Field[] fields, String name, Object owner) {
        for (int i = 0; i < fields.length; i++) {
            if (fields[i].name.equals(name)) {
                return i;
            }
        }
        throw new IllegalArgumentException(owner + " has no field " + name);
    }
}
