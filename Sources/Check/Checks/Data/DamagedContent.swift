internal import ObjectStore

/// Contents that cannot be read whole, or whose MD5 is not the one that the store tells (`--verify-data`).
enum DamagedContent {
    static let info = CheckInfo(
        "damaged-content", .data, .damage, .never,
        one: "object whose content is not what was stored", many: "objects whose content is not what was stored",
        explanation:
            "The whole object was read and compared with its size and, where its ETag is one, with its MD5. The store has damaged it, or cannot read it.",
        mending: "Take it from a backup or an older version. The store's operator should know.")
}
