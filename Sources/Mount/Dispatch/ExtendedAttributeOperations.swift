import CFuse
import FileSystem
import Glibc
import SystemPackage

/// GETXATTR, LISTXATTR, SETXATTR, REMOVEXATTR.
///
/// Two kinds of names never reach the file system, as the kernel and `ls -l` ask for them all the time and the answer is known:
/// - `security.capability`: the kernel asks for it **before every write** to a file (file_remove_privs), which would double
///   the requests of a writer. On a `nosuid` mount, which ours are unless `-o suid` is given, file capabilities have no effect,
///   so there is none to show, and none can be set.
/// - `system.posix_acl_access` and `…_default` without `default_permissions`: nobody would enforce a list, so a program that wants
///   to set one is told that it is not supported.
extension Dispatcher {
    static func addExtendedAttributes(to table: inout fuse_lowlevel_ops) {
        table.getxattr = { raw, node, name, size in
            let request = FuseRequest(raw!, .getxattr)
            let node = NodeID(rawValue: node)
            request.withAttributeName(name, missing: .noData) { name in
                if let answer = request.fileSystem.extendedAttributeNow(name, of: node) {
                    return request.reply(value: answer, room: size)
                }
                request.continueAsynchronously { request in
                    let answer = await outcome { () async throws(Errno) in
                        try await request.fileSystem.extendedAttribute(name, of: node)
                    }
                    request.reply(value: answer, room: size)
                }
            }
        }
        table.listxattr = { raw, node, size in
            let request = FuseRequest(raw!, .listxattr)
            let node = NodeID(rawValue: node)
            request.continueAsynchronously { request in
                let answer = await outcome { () async throws(Errno) in
                    try await request.fileSystem.extendedAttributeNames(of: node)
                }
                request.reply(value: answer.map { names in names.flatMap { Array($0.utf8) + [0] } }, room: size)
            }
        }
        table.setxattr = { raw, node, name, value, size, flags in
            let request = FuseRequest(raw!, .setxattr)
            let (node, caller) = (NodeID(rawValue: node), request.caller)
            let value = Array(UnsafeRawBufferPointer(start: value, count: size))
            // XATTR_CREATE and XATTR_REPLACE of setxattr(2).
            let (mustCreate, mustReplace) = (flags & 1 != 0, flags & 2 != 0)
            request.withAttributeName(name, missing: .notSupportedOnSocket) { name in
                request.continueAsynchronously { request in
                    let answer = await outcome { () async throws(Errno) in
                        try await request.fileSystem.setExtendedAttribute(
                            name, of: node, to: value, mustCreate: mustCreate, mustReplace: mustReplace, by: caller)
                    }
                    request.reply(answer)
                }
            }
        }
        table.removexattr = { raw, node, name in
            let request = FuseRequest(raw!, .removexattr)
            let (node, caller) = (NodeID(rawValue: node), request.caller)
            request.withAttributeName(name, missing: .noData) { name in
                request.continueAsynchronously { request in
                    let answer = await outcome { () async throws(Errno) in
                        try await request.fileSystem.removeExtendedAttribute(name, of: node, by: caller)
                    }
                    request.reply(answer)
                }
            }
        }
    }
}

extension FuseRequest {
    /// Decodes an attribute's name and goes on with it. Answers at once for names that are not kept here: see above.
    /// - Parameter missing: the answer for a file capability, which is never there.
    func withAttributeName(_ name: UnsafePointer<CChar>?, missing: Errno, _ body: (String) -> Void) {
        let bytes = UnsafeRawBufferPointer(start: name!, count: strlen(name!))
        guard let name = String(validating: bytes, as: UTF8.self) else {
            reply(error: .illegalByteSequence)
            return
        }
        switch name {
        case "security.capability" where !dispatcher.options.honoursSetID: reply(error: missing)
        case "system.posix_acl_access", "system.posix_acl_default":
            // The kernel asks for them, and enforces them, only where it was told so at INIT.
            if dispatcher.options.defaultPermissions { body(name) } else { reply(error: .notSupportedOnSocket) }
        default: body(name)
        }
    }

    /// Answers with a value or a list of names as getxattr(2) wants it: only its size where there is no room given, `ERANGE`
    /// where there is not enough.
    func reply(value answer: Result<[UInt8], Errno>, room: Int) {
        switch answer {
        case .success(let value) where room == 0: reply { fuse_reply_xattr($0, value.count) }
        case .success(let value) where value.count > room: reply(error: .outOfRange)
        case .success(let value):
            value.withUnsafeBytes { bytes in
                _ = reply {
                    fuse_reply_buf($0, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
                }
            }
        case .failure(let error): reply(error: error)
        }
    }
}
