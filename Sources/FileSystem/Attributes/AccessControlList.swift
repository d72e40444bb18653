/// A POSIX access control list, see acl(5), in the form of Linux's `system.posix_acl_access` and `system.posix_acl_default`
/// (posix_acl_xattr.h): a version, then tag, permissions and id of each entry. s3fs keeps the same bytes.
///
/// The permission bits of a mode and the list say one thing twice: its owner, other, and mask (or group, where there is no
/// mask) are the mode's three parts. Who changes one changes the other.
struct AccessControlList: Sendable, Equatable {
    /// Whom an entry is about.
    enum Tag: UInt16, Sendable {
        /// `ACL_USER_OBJ`
        case owner = 0x01
        /// `ACL_USER`
        case user = 0x02
        /// `ACL_GROUP_OBJ`
        case owningGroup = 0x04
        /// `ACL_GROUP`
        case group = 0x08
        /// `ACL_MASK`
        case mask = 0x10
        /// `ACL_OTHER`
        case other = 0x20
    }

    /// What somebody may do.
    struct Entry: Sendable, Equatable {
        /// Whom it is about.
        var tag: Tag
        /// Read, write and execute: 0...7.
        var permissions: UInt32
        /// The user's or group's number; of other tags, all ones.
        var id: UInt32
    }

    /// The attribute that holds the list of a file.
    static let access = "system.posix_acl_access"
    /// The attribute that holds the list that files made in a directory begin with.
    static let inherited = "system.posix_acl_default"

    /// Whether an attribute of this name is a list.
    static func isName(_ name: String) -> Bool { name == access || name == inherited }

    private static let version: UInt32 = 2

    /// The entries, in the order of their tags.
    private(set) var entries: [Entry]

    /// Decodes an attribute's value; nil for what is no valid list (acl_valid(3)). A value without entries is an empty list, by which
    /// setxattr(2) removes one.
    init?(_ value: [UInt8]) {
        func number(_ offset: Int, _ count: Int) -> UInt32 {
            (0..<count).reduce(0) { $0 | UInt32(value[offset + $1]) << (8 * UInt32($1)) }
        }
        guard value.count >= 4, (value.count - 4) % 8 == 0, number(0, 4) == Self.version else { return nil }
        var entries: [Entry] = []
        for offset in stride(from: 4, to: value.count, by: 8) {
            guard let tag = Tag(rawValue: UInt16(number(offset, 2))), number(offset + 2, 2) <= 7 else { return nil }
            entries.append(Entry(tag: tag, permissions: number(offset + 2, 2), id: number(offset + 4, 4)))
        }
        func count(_ tag: Tag) -> Int { entries.count { $0.tag == tag } }
        if !entries.isEmpty {
            let named = count(.user) + count(.group)
            guard count(.owner) == 1, count(.owningGroup) == 1, count(.other) == 1, count(.mask) <= 1,
                named == 0 || count(.mask) == 1,
                zip(entries, entries.dropFirst()).allSatisfy({ $0.tag.rawValue <= $1.tag.rawValue })
            else { return nil }
        }
        self.entries = entries
    }

    /// The attribute's value.
    var value: [UInt8] {
        func bytes(_ number: UInt32, _ count: UInt32) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
        }
        return bytes(Self.version, 4)
            + entries.flatMap { bytes(UInt32($0.tag.rawValue), 2) + bytes($0.permissions, 2) + bytes($0.id, 4) }
    }

    /// Whether the list says no more than the permission bits of a mode.
    var isMinimal: Bool { entries.allSatisfy { [.owner, .owningGroup, .other].contains($0.tag) } }

    /// `st_mode & 0777` as the list has it; setting it is chmod(2).
    var permissions: UInt32 {
        get { self[.owner] << 6 | self[groupClass] << 3 | self[.other] }
        set {
            let group = groupClass
            for index in entries.indices {
                switch entries[index].tag {
                case .owner: entries[index].permissions = newValue >> 6 & 7
                case group: entries[index].permissions = newValue >> 3 & 7
                case .other: entries[index].permissions = newValue & 7
                default: break
                }
            }
        }
    }

    private var groupClass: Tag { entries.contains { $0.tag == .mask } ? .mask : .owningGroup }
    private subscript(tag: Tag) -> UInt32 { entries.first { $0.tag == tag }?.permissions ?? 0 }
}

extension StoredAttributes {
    /// Gives the attributes of something new what a directory's default list says (acl(5), "object creation"): the permissions asked for
    /// take bits out of it, and the umask counts only where there is none.
    mutating func inherit(from directory: StoredAttributes, umask: UInt32) {
        guard type != .symbolicLink else { return }
        guard let value = directory.extendedAttributes[AccessControlList.inherited],
            var list = AccessControlList(value), !list.entries.isEmpty
        else {
            permissions &= ~(umask & 0o777)
            return
        }
        list.permissions &= permissions
        permissions = permissions & 0o7000 | list.permissions
        if !list.isMinimal { _ = extendedAttributes.set(AccessControlList.access, to: list.value) }
        if type == .directory { _ = extendedAttributes.set(AccessControlList.inherited, to: value) }
    }

    /// Sets the permission, set-id and sticky bits, and a list's entries that stand for them.
    mutating func setPermissions(_ new: UInt32) {
        permissions = new & 0o7777
        guard let value = extendedAttributes[AccessControlList.access], var list = AccessControlList(value) else {
            return
        }
        list.permissions = new & 0o777
        _ = extendedAttributes.set(AccessControlList.access, to: list.value)
    }

    /// Sets or, by an empty list or nil, removes a list, and the permissions that it stands for.
    /// - Returns: False, and nothing done, for what is no list.
    mutating func setList(_ name: String, to value: [UInt8]?) -> Bool {
        guard let value else { return extendedAttributes.set(name, to: nil) }
        guard let list = AccessControlList(value) else { return false }
        if name == AccessControlList.access, !list.entries.isEmpty {
            permissions = permissions & 0o7000 | list.permissions
        }
        let isKept = !list.entries.isEmpty && !(name == AccessControlList.access && list.isMinimal)
        return extendedAttributes.set(name, to: isKept ? value : nil)
    }
}
