internal import LocalState
internal import ObjectStore

/// A file among the journal's contents that no row names.
struct StrayContentFile: LocalCheck {
    static let info = CheckInfo(
        "stray-content-file", .localState, .problem, .preen,
        one: "file of the journal that nothing names", many: "files of the journal that nothing names",
        explanation:
            "A content is a file first and is named by the journal afterwards, before it is acknowledged. The mount died in between: nobody was promised anything. It "
            + "takes room on this machine's disk.",
        mending: "-p, -a and -y delete it, as the next mount does.")

    static func see(_ state: InspectedState) -> [Finding] {
        state.inventory?.strayFiles.map { Finding(info, ObjectKey($0.path), "\($0.bytes) bytes") } ?? []
    }
}
