import ObjectStoreTesting

/// A POSIX access control list as acl(5) has it, for the model: apart from the file system's own code.
struct ModelAccessList: Equatable {
    static let accessName = "system.posix_acl_access"
    static let inheritedName = "system.posix_acl_default"

    var owner: UInt32
    /// Permissions of named users, by their ids in order.
    var named: [(id: UInt32, permissions: UInt32)]
    var group: UInt32
    /// There wherever there are named users.
    var mask: UInt32?
    var other: UInt32

    static func == (a: Self, b: Self) -> Bool { a.value == b.value }

    /// A list of random permissions for up to two users.
    static func random(_ random: inout SplitMix64) -> ModelAccessList {
        func bits() -> UInt32 { UInt32.random(in: 0...7, using: &random) }
        let count = Int.random(in: 0...2, using: &random)
        let named = (0..<count).map { (id: UInt32(1000 + $0), permissions: bits()) }
        let hasMask = count > 0 || Bool.random(using: &random)
        return ModelAccessList(
            owner: bits(), named: named, group: bits(), mask: hasMask ? bits() : nil, other: bits())
    }

    /// Whether it says no more than permission bits do.
    var isMinimal: Bool { mask == nil }

    /// The permission bits that go with it.
    var permissions: UInt32 { owner << 6 | (mask ?? group) << 3 | other }

    /// The list as an attribute's value (linux/posix_acl_xattr.h).
    var value: [UInt8] {
        func number(_ value: UInt32, _ count: UInt32) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }
        func entry(_ tag: UInt32, _ permissions: UInt32, _ id: UInt32 = .max) -> [UInt8] {
            number(tag, 2) + number(permissions, 2) + number(id, 4)
        }
        return number(2, 4) + entry(1, owner) + named.flatMap { entry(2, $0.permissions, $0.id) } + entry(4, group)
            + (mask.map { entry(16, $0) } ?? []) + entry(32, other)
    }

    /// The same list under other permission bits, as chmod(2) makes it.
    func with(permissions: UInt32) -> ModelAccessList {
        var list = self
        list.owner = permissions >> 6 & 7
        if mask == nil { list.group = permissions >> 3 & 7 } else { list.mask = permissions >> 3 & 7 }
        list.other = permissions & 7
        return list
    }
}

extension ReferenceModel.Node {
    /// chmod(2)
    mutating func setPermissions(_ new: UInt32) {
        permissions = new
        list = list?.with(permissions: new)
    }

    /// setxattr(2) of the file's own list.
    mutating func setList(_ new: ModelAccessList) {
        permissions = permissions & 0o7000 | new.permissions
        list = new.isMinimal ? nil : new
    }

    /// What a new file takes over from its directory's default list.
    mutating func inherit(_ default: ModelAccessList?) {
        if case .link = kind { return }
        guard let `default` else { return }
        let own = `default`.with(permissions: `default`.permissions & permissions)
        permissions = permissions & 0o7000 | own.permissions
        if !own.isMinimal { list = own }
        if isDirectory { inherited = `default` }
    }

    /// All extended attributes, lists included.
    var allExtended: [String: [UInt8]] {
        var all = extended
        all[ModelAccessList.accessName] = list?.value
        all[ModelAccessList.inheritedName] = inherited?.value
        return all
    }
}
