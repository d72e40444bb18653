/// `<AccessControlPolicy>`: who may do what with an object.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html>
struct AccessControlList: Sendable, Equatable {
    /// One permission for one grantee.
    struct Grant: Sendable, Equatable {
        /// The kind of grantee as the `x-amz-grant-…` headers call it: `id`, `uri` or `emailAddress`.
        var kind = "id"
        var grantee = ""
        var permission = ""
    }

    /// The owner's id; empty on some stores.
    var owner = ""
    var grants: [Grant] = []

    /// Whether it is what each new object has: all for its owner.
    var isDefault: Bool { grants == [Grant(kind: "id", grantee: owner, permission: "FULL_CONTROL")] }

    /// The grants as headers of a request that stores them. What no header can say is left out: permissions that S3 does not
    /// know, and grantees with quotes or control characters in their names.
    var headers: [(name: String, value: String)] {
        let names = [
            "FULL_CONTROL": "full-control", "READ": "read", "READ_ACP": "read-acp", "WRITE": "write",
            "WRITE_ACP": "write-acp",
        ]
        var values: [String: [String]] = [:]
        for grant in grants {
            guard let name = names[grant.permission],
                grant.grantee.utf8.allSatisfy({ (0x20..<0x7F).contains($0) && $0 != UInt8(ascii: "\"") })
            else { continue }
            values[name, default: []].append("\(grant.kind)=\"\(grant.grantee)\"")
        }
        return values.sorted { $0.key < $1.key }.map { ("x-amz-grant-\($0.key)", $0.value.joined(separator: ", ")) }
    }

    /// The list of an answer.
    static func read(_ body: [UInt8]) throws(XMLReader.Failure) -> AccessControlList {
        let document = AccessControlDocument()
        try XMLReader.read(body, into: document)
        guard document.root == "AccessControlPolicy" else {
            throw XMLReader.unexpected(document.root, wanted: "AccessControlPolicy")
        }
        return document.list
    }
}

/// Collects the list while it is read.
private final class AccessControlDocument: XMLHandler {
    private(set) var root = ""
    private(set) var list = AccessControlList()
    private var grant = AccessControlList.Grant()

    func open(_ name: String, depth: Int) {
        if depth == 1 { root = name }
        if depth == 3, name == "Grant" { grant = AccessControlList.Grant() }
    }

    func close(_ name: String, text: String, depth: Int) {
        switch (depth, name) {
        case (3, "ID"): list.owner = text
        case (5, "ID"): (grant.kind, grant.grantee) = ("id", text)
        case (5, "URI"): (grant.kind, grant.grantee) = ("uri", text)
        case (5, "EmailAddress"): (grant.kind, grant.grantee) = ("emailAddress", text)
        case (4, "Permission"): grant.permission = text
        case (3, "Grant"): list.grants.append(grant)
        default: break
        }
    }
}
