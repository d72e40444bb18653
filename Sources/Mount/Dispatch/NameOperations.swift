import CFuse
import FileSystem
import Glibc
import SystemPackage

/// LOOKUP, FORGET, and the verbs that make, remove and move names.
extension Dispatcher {
    static func addNames(to table: inout fuse_lowlevel_ops) {
        table.lookup = { raw, parent, name in
            let request = FuseRequest(raw!, .lookup)
            let (parent, caller) = (NodeID(rawValue: parent), request.caller)
            request.withName(name) { name in
                if let answer = request.fileSystem.lookupNow(name, in: parent, by: caller) {
                    return request.reply(lookup: answer)
                }
                request.continueAsynchronously { request in
                    let answer = await outcome { () async throws(Errno) in
                        try await request.fileSystem.lookup(name, in: parent, by: caller)
                    }
                    request.reply(lookup: answer)
                }
            }
        }
        // No reply goes to the kernel for these two, but libfuse wants its request back.
        table.forget = { raw, node, count in
            let request = FuseRequest(raw!, .forget)
            request.fileSystem.forget(NodeID(rawValue: node), lookups: count)
            request.replyNone()
        }
        table.forget_multi = { raw, count, items in
            let request = FuseRequest(raw!, .forget)
            for item in UnsafeBufferPointer(start: items, count: count) {
                request.fileSystem.forget(NodeID(rawValue: item.ino), lookups: item.nlookup)
            }
            request.replyNone()
        }
        table.mkdir = { raw, parent, name, mode in
            let request = FuseRequest(raw!, .mkdir)
            let (parent, caller) = (NodeID(rawValue: parent), request.caller)
            request.withName(name) { name in
                request.continueAsynchronously { request in
                    let answer = await outcome { () async throws(Errno) in
                        try await request.fileSystem.makeDirectory(
                            name, in: parent, permissions: mode & 0o7777, by: caller)
                    }
                    request.reply(entry: answer)
                }
            }
        }
        table.mknod = { raw, parent, name, mode, device in
            let request = FuseRequest(raw!, .mknod)
            let (parent, caller) = (NodeID(rawValue: parent), request.caller)
            // mknod(2): no type bits mean a regular file. The kernel fills them in; an older one might not.
            let type = mode & S_IFMT == 0 ? FileType.regular : FileType(mode: mode)
            guard let type, type != .directory, type != .symbolicLink else {
                request.reply(error: .invalidArgument)
                return
            }
            request.withName(name) { name in
                request.continueAsynchronously { request in
                    let answer = await outcome { () async throws(Errno) in
                        try await request.fileSystem.makeNode(
                            name, in: parent, type: type, permissions: mode & 0o7777, device: UInt64(device), by: caller
                        )
                    }
                    request.reply(entry: answer)
                }
            }
        }
        table.symlink = { raw, target, parent, name in
            let request = FuseRequest(raw!, .symlink)
            let (parent, caller) = (NodeID(rawValue: parent), request.caller)
            let target = Array(UnsafeRawBufferPointer(start: target!, count: strlen(target!)))
            request.withName(name) { name in
                request.continueAsynchronously { request in
                    let answer = await outcome { () async throws(Errno) in
                        try await request.fileSystem.makeSymbolicLink(name, in: parent, target: target, by: caller)
                    }
                    request.reply(entry: answer)
                }
            }
        }
        table.unlink = { raw, parent, name in
            let request = FuseRequest(raw!, .unlink)
            let (parent, caller) = (NodeID(rawValue: parent), request.caller)
            request.withName(name) { name in
                request.continueAsynchronously { request in
                    let answer = await outcome { () async throws(Errno) in
                        try await request.fileSystem.unlink(name, in: parent, by: caller)
                    }
                    request.reply(answer)
                }
            }
        }
        table.rmdir = { raw, parent, name in
            let request = FuseRequest(raw!, .rmdir)
            let (parent, caller) = (NodeID(rawValue: parent), request.caller)
            request.withName(name) { name in
                request.continueAsynchronously { request in
                    let answer = await outcome { () async throws(Errno) in
                        try await request.fileSystem.removeDirectory(name, in: parent, by: caller)
                    }
                    request.reply(answer)
                }
            }
        }
        table.rename = { raw, parent, name, newParent, newName, flags in
            let request = FuseRequest(raw!, .rename)
            let (parent, newParent) = (NodeID(rawValue: parent), NodeID(rawValue: newParent))
            let caller = request.caller
            request.withName(name) { name in
                request.withName(newName) { newName in
                    request.continueAsynchronously { request in
                        let answer = await outcome { () async throws(Errno) in
                            try await request.fileSystem.rename(
                                name, in: parent, to: newName, in: newParent, flags: RenameFlags(rawValue: flags),
                                by: caller)
                        }
                        request.reply(answer)
                    }
                }
            }
        }
        // An object has one key. Left to libfuse this would be ENOSYS, which programs do not expect of link(2).
        table.link = { raw, _, _, _ in FuseRequest(raw!, .link).reply(error: .notSupportedOnSocket) }
    }
}

extension FuseRequest {
    /// Decodes a name and goes on with it; answers the error where it is none.
    func withName(_ name: UnsafePointer<CChar>?, _ body: (FileName) -> Void) {
        let decoded: FileName
        do { decoded = try FileName(kernel: name!) } catch {
            reply(error: error)
            return
        }
        body(decoded)
    }

    /// Answers nothing, as FORGET wants it.
    func replyNone() {
        reply { raw in
            fuse_reply_none(raw)
            return 0
        }
    }

    /// Answers with an entry. One that the kernel did not take is forgotten again.
    func reply(entry answer: Result<Entry, Errno>) {
        switch answer {
        case .success(let entry):
            var parameters = entry.parameters
            if !reply({ fuse_reply_entry($0, &parameters) }) { fileSystem.forget(entry.node, lookups: 1) }
        case .failure(let error): reply(error: error)
        }
    }

    /// Answers a LOOKUP: "not there" as an entry without inode where the kernel may remember that.
    func reply(lookup answer: Result<Entry, Errno>) {
        guard case .failure(.noSuchFileOrDirectory) = answer, fileSystem.negativeLifetime > 0 else {
            return reply(entry: answer)
        }
        var parameters = fuse_entry_param()
        parameters.entry_timeout = fileSystem.negativeLifetime
        reply { fuse_reply_entry($0, &parameters) }
    }
}
