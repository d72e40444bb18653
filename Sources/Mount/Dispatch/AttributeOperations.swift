import CFuse
import FileSystem
import Glibc
import SystemPackage

/// GETATTR, SETATTR, READLINK, STATFS.
extension Dispatcher {
    static func addAttributes(to table: inout fuse_lowlevel_ops) {
        table.getattr = { raw, node, info in
            let request = FuseRequest(raw!, .getattr)
            let (node, handle) = (NodeID(rawValue: node), info.map { HandleID(rawValue: $0.pointee.fh) })
            if let answer = request.fileSystem.attributesNow(of: node, handle: handle) {
                return request.reply(attributes: answer)
            }
            request.continueAsynchronously { request in
                let answer = await outcome { () async throws(Errno) in
                    try await request.fileSystem.attributes(of: node, handle: handle)
                }
                request.reply(attributes: answer)
            }
        }
        table.setattr = { raw, node, status, set, info in
            let request = FuseRequest(raw!, .setattr)
            let (node, handle) = (NodeID(rawValue: node), info.map { HandleID(rawValue: $0.pointee.fh) })
            let (changes, caller) = (AttributeChanges(status!.pointee, set: set), request.caller)
            request.continueAsynchronously { request in
                let answer = await outcome { () async throws(Errno) in
                    try await request.fileSystem.setAttributes(of: node, handle: handle, to: changes, by: caller)
                }
                request.reply(attributes: answer)
            }
        }
        table.readlink = { raw, node in
            let request = FuseRequest(raw!, .readlink)
            let node = NodeID(rawValue: node)
            request.continueAsynchronously { request in
                switch await outcome({ () async throws(Errno) in try await request.fileSystem.readSymbolicLink(node) })
                {
                case .success(let target):
                    // The kernel takes less than a page; a NUL would cut the target short.
                    guard !target.isEmpty, target.count < Int(PATH_MAX), !target.contains(0) else {
                        request.reply(error: .ioError)
                        return
                    }
                    (target + [0]).withUnsafeBytes { bytes in
                        _ = request.reply {
                            fuse_reply_readlink($0, bytes.baseAddress!.assumingMemoryBound(to: CChar.self))
                        }
                    }
                case .failure(let error): request.reply(error: error)
                }
            }
        }
        table.statfs = { raw, _ in
            let request = FuseRequest(raw!, .statfs)
            let numbers = request.fileSystem.statistics()
            var answer = statvfs()
            answer.f_bsize = UInt(numbers.blockSize)
            answer.f_frsize = UInt(numbers.blockSize)
            answer.f_blocks = UInt(numbers.blocks)
            answer.f_bfree = UInt(numbers.freeBlocks)
            answer.f_bavail = UInt(numbers.freeBlocks)
            answer.f_files = UInt(numbers.files)
            answer.f_ffree = UInt(numbers.freeFiles)
            answer.f_favail = UInt(numbers.freeFiles)
            answer.f_namemax = UInt(FileName.maximumLength)
            request.reply { fuse_reply_statfs($0, &answer) }
        }
    }
}

extension FuseRequest {
    /// Answers with attributes and how long they hold.
    func reply(attributes answer: Result<(FileAttributes, lifetime: Double), Errno>) {
        switch answer {
        case .success(let (attributes, lifetime)):
            var status = attributes.status
            reply { fuse_reply_attr($0, &status, lifetime) }
        case .failure(let error): reply(error: error)
        }
    }
}
