import FileSystem
import ObjectStore
import ObjectStoreTesting
import SystemPackage

/// One thing that a program does, to be done to the file system and to the model.
enum RandomOperation: CustomStringConvertible {
    case store(String, [UInt8], permissions: UInt32)
    case overwrite(String, at: Int, [UInt8])
    case append(String, [UInt8])
    case truncate(String, Int)
    case read(String)
    case makeDirectory(String)
    case makeSpecial(String, FileSystem.FileType, device: UInt64)
    case makeLink(String, target: [UInt8])
    case createExclusively(String)
    case unlink(String)
    case removeDirectory(String)
    case rename(String, String)
    case exchange(String, String)
    case chmod(String, UInt32)
    case chown(String, UInt32, UInt32)
    /// utimensat(2): mtime, and atime where it is given.
    case touch(String, Int64, access: Int64?)
    case setExtended(String, String, [UInt8], ExtendedFlag)
    case setList(String, ModelAccessList, inherited: Bool)
    case readExtended(String, String)
    case removeExtended(String, String)
    case list(String)
    case handle(HandleOperation)

    /// The flags of setxattr(2).
    enum ExtendedFlag: CaseIterable { case any, create, replace }

    var description: String {
        switch self {
        case .store(let path, let bytes, _): "store \(path) \(bytes.count)"
        case .overwrite(let path, let offset, let bytes): "overwrite \(path) \(offset)+\(bytes.count)"
        case .append(let path, let bytes): "append \(path) \(bytes.count)"
        case .truncate(let path, let size): "truncate \(path) \(size)"
        case .read(let path): "read \(path)"
        case .makeDirectory(let path): "mkdir \(path)"
        case .makeSpecial(let path, let type, let device): "mknod \(path) \(type) \(device)"
        case .makeLink(let path, _): "symlink \(path)"
        case .createExclusively(let path): "create-exclusively \(path)"
        case .unlink(let path): "unlink \(path)"
        case .removeDirectory(let path): "rmdir \(path)"
        case .rename(let from, let to): "rename \(from) \(to)"
        case .exchange(let from, let to): "exchange \(from) \(to)"
        case .chmod(let path, let mode): "chmod \(path) \(String(mode, radix: 8))"
        case .chown(let path, let owner, let group): "chown \(path) \(owner):\(group)"
        case .touch(let path, let time, let access): "touch \(path) \(time) \(access ?? 0)"
        case .setExtended(let path, let name, let value, let flag): "setxattr \(path) \(name) \(value.count) \(flag)"
        case .setList(let path, let list, let isInherited): "setfacl \(path) \(list.value) \(isInherited)"
        case .readExtended(let path, let name): "getxattr \(path) \(name)"
        case .removeExtended(let path, let name): "removexattr \(path) \(name)"
        case .list(let path): "list \(path)"
        case .handle(let operation): "\(operation)"
        }
    }

    /// A random operation over few names, so that they meet.
    static func random(_ random: inout SplitMix64, withHandles: Bool) -> RandomOperation {
        // Open files are to be renamed, replaced and removed: so few names that they meet at once.
        let path = withHandles ? ["a", "b", "d", "d/a"].randomElement(using: &random)! : Self.path(&random)
        if withHandles, Bool.random(using: &random) {
            return .handle(.random(&random, path: path, bytes: bytes(&random)))
        }
        switch UInt64.random(in: 0..<34, using: &random) {
        case 0...4:
            return .store(path, Self.bytes(&random), permissions: [0o644, 0o600, 0o755].randomElement(using: &random)!)
        case 5...7: return .overwrite(path, at: Int.random(in: 0..<400, using: &random), Self.bytes(&random))
        case 8...9: return .append(path, Self.bytes(&random))
        case 10...11: return .truncate(path, Int.random(in: 0..<500, using: &random))
        case 12...13: return .read(path)
        case 14...16: return .makeDirectory(path)
        case 17:
            let types: [FileSystem.FileType] = [.fifo, .socket, .characterDevice, .blockDevice]
            let type = types.randomElement(using: &random)!
            let isDevice = type == .characterDevice || type == .blockDevice
            let number = UInt64.random(in: 0..<0xFFFFF, using: &random)
            return .makeSpecial(path, type, device: isDevice ? number : 0)
        case 18: return .makeLink(path, target: Array("target/\(UInt64.random(in: 0..<99, using: &random))".utf8))
        case 19: return .createExclusively(path)
        case 20...21: return .unlink(path)
        case 22: return .removeDirectory(path)
        case 23...25:
            let goal = withHandles ? ["a", "b", "d/a"].randomElement(using: &random)! : Self.path(&random)
            return .rename(path, goal)
        case 29...30:
            let goal = withHandles ? ["a", "b", "d/a"].randomElement(using: &random)! : Self.path(&random)
            return .exchange(path, goal)
        case 31: return .setList(path, .random(&random), inherited: Bool.random(using: &random))
        case 32:
            let names = ["user.a", "user.b", "user.c", ModelAccessList.accessName, ModelAccessList.inheritedName]
            return .readExtended(path, names.randomElement(using: &random)!)
        case 26: return .chmod(path, UInt32.random(in: 0...0o7777, using: &random))
        case 27:
            return Bool.random(using: &random)
                ? .chown(path, UInt32.random(in: 0..<9, using: &random), UInt32.random(in: 0..<9, using: &random))
                : .touch(
                    path, Int64.random(in: 1_000_000..<2_000_000_000, using: &random),
                    access: Bool.random(using: &random) ? Int64.random(in: 1..<2_000_000_000, using: &random) : nil)
        case 28:
            let name = "user.\(["a", "b", "c"].randomElement(using: &random)!)"
            if Bool.random(using: &random) {
                let flag = ExtendedFlag.allCases.randomElement(using: &random)!
                return .setExtended(path, name, Array(bytes(&random).prefix(60)), flag)
            }
            let lists = [ModelAccessList.accessName, ModelAccessList.inheritedName]
            return .removeExtended(path, ([name] + lists).randomElement(using: &random)!)
        default: return .list(ReferenceModel.parent(of: path))
        }
    }

    private static func path(_ random: inout SplitMix64) -> String {
        let depth = Int.random(in: 1...3, using: &random)
        return (0..<depth).map { _ in ["a", "b", "c-", "d.txt"].randomElement(using: &random)! }.joined(separator: "/")
    }

    private static func bytes(_ random: inout SplitMix64) -> [UInt8] {
        let count = Int.random(in: 0...Int.random(in: 1...300, using: &random), using: &random)
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    /// What the operation answers, for comparison: bytes read or names listed, or the errno.
    enum Outcome: Equatable, CustomStringConvertible {
        case done
        case bytes([UInt8])
        case names([String])
        case failed(Errno)

        var description: String {
            switch self {
            case .done: "done"
            case .bytes(let bytes): "\(bytes.count) bytes"
            case .names(let names): "\(names)"
            case .failed(let errno): "\(errno)"
            }
        }
    }

    // MARK: On the model

    func perform(on model: inout ReferenceModel) -> Outcome {
        do throws(Errno) {
            switch self {
            case .store(let path, let bytes, let permissions): try model.store(path, bytes, permissions: permissions)
            case .overwrite(let path, let offset, let bytes):
                try model.edit(path) { content in
                    if bytes.isEmpty { return }
                    if content.count < offset { content += [UInt8](repeating: 0, count: offset - content.count) }
                    content.replaceSubrange(offset..<min(content.count, offset + bytes.count), with: bytes)
                }
            case .append(let path, let bytes): try model.edit(path) { $0 += bytes }
            case .truncate(let path, let size):
                try model.edit(path) { content in
                    if content.count > size { content.removeSubrange(size...) }
                    content += [UInt8](repeating: 0, count: size - content.count)
                }
            case .read(let path):
                let node = try model.find(path)
                model.noteRead(path)
                switch node.kind {
                case .file(let bytes), .link(let bytes): return .bytes(bytes)
                case .directory: throw .isDirectory
                case .special: throw .tooManySymbolicLinkLevels
                }
            case .makeDirectory(let path): try model.make(path, .init(kind: .directory, permissions: 0o755))
            case .makeSpecial(let path, let type, let device):
                try model.make(path, .init(kind: .special(type, device), permissions: 0o644))
            case .makeLink(let path, let target): try model.make(path, .init(kind: .link(target), permissions: 0o777))
            case .createExclusively(let path): try model.make(path, .init(kind: .file([]), permissions: 0o600))
            case .unlink(let path): try model.unlink(path)
            case .removeDirectory(let path): try model.removeDirectory(path)
            case .rename(let from, let to): try model.rename(from, to)
            case .exchange(let from, let to): try model.exchange(from, to)
            case .chmod(let path, let mode): try model.change(path) { $0.setPermissions(mode) }
            case .chown(let path, let owner, let group):
                try model.change(path) { node in
                    node.owner = owner
                    node.group = group
                }
            case .touch(let path, let time, let access):
                try model.change(path) { node in
                    node.modified = time
                    node.accessed = access
                }
            case .setExtended(let path, let name, let value, let flag):
                try model.change(path) { node throws(Errno) in
                    if flag == .create, node.extended[name] != nil { throw .fileExists }
                    if flag == .replace, node.extended[name] == nil { throw .noData }
                    node.extended[name] = value
                }
            case .setList(let path, let list, let isInherited):
                let caller = model.caller
                try model.change(path) { node throws(Errno) in
                    if case .link = node.kind { throw .notSupportedOnSocket }
                    if isInherited {
                        guard node.isDirectory else { throw .permissionDenied }
                        node.inherited = list
                    } else {
                        node.setList(list)
                    }
                    if caller.owner != 0, caller.group != node.group { node.permissions &= ~0o2000 }
                }
            case .readExtended(let path, let name):
                guard let value = try model.find(path).allExtended[name] else { throw .noData }
                return .bytes(value)
            case .removeExtended(let path, let name):
                try model.change(path) { node throws(Errno) in
                    if node.allExtended[name] == nil { throw .noData }
                    switch name {
                    case ModelAccessList.accessName: node.list = nil
                    case ModelAccessList.inheritedName: node.inherited = nil
                    default: node.extended[name] = nil
                    }
                }
            case .list(let path):
                guard try model.find(path).isDirectory else { throw .notDirectory }
                model.noteRead(path)
                return .names(model.children(of: path).map { String($0.split(separator: "/").last!) })
            case .handle(let operation): return try operation.perform(on: &model)
            }
            return .done
        } catch {
            return .failed(error)
        }
    }

    // MARK: On the file system

    func perform(on driver: FileSystemDriver, _ slots: inout [Int: HandleOperation.Slot]) async -> Outcome {
        do throws(Errno) {
            switch self {
            case .store(let path, let bytes, let permissions):
                let handle = try await driver.open(path, [.writeOnly, .create, .truncate], permissions: permissions)
                try await write(bytes, to: handle, driver)
            case .overwrite(let path, let offset, let bytes):
                let handle = try await driver.open(path, .readWrite)
                if !bytes.isEmpty { try await driver.write(handle, at: Int64(offset), bytes) }
                try await driver.close(handle)
            case .append(let path, let bytes):
                let handle = try await driver.open(path, [.writeOnly, .append])
                if !bytes.isEmpty { try await driver.write(handle, at: 0, bytes) }
                try await driver.close(handle)
            case .truncate(let path, let size):
                try await driver.with(path) { _, entry throws(Errno) in
                    if entry?.attributes.type == .symbolicLink { throw .tooManySymbolicLinkLevels }
                    switch entry?.attributes.type {
                    case .fifo, .socket, .characterDevice, .blockDevice: throw .tooManySymbolicLinkLevels
                    default: break
                    }
                }
                try await driver.setAttributes(path) { $0.size = Int64(size) }
            case .read(let path):
                let link = try await driver.with(path) { node, entry throws(Errno) in
                    entry?.attributes.type == .symbolicLink ? try await driver.fileSystem.readSymbolicLink(node) : nil
                }
                if let link { return .bytes(link) }
                let handle = try await driver.open(path, [])
                let bytes = try await driver.readAll(handle)
                try await driver.close(handle)
                return .bytes(bytes)
            case .makeDirectory(let path):
                try await make(path, driver) { parent, name throws(Errno) in
                    try await driver.fileSystem.makeDirectory(name, in: parent, permissions: 0o755, by: driver.caller)
                }
            case .makeSpecial(let path, let type, let device):
                try await make(path, driver) { parent, name throws(Errno) in
                    try await driver.fileSystem.makeNode(
                        name, in: parent, type: type, permissions: 0o644, device: device, by: driver.caller)
                }
            case .makeLink(let path, let target):
                try await make(path, driver) { parent, name throws(Errno) in
                    try await driver.fileSystem.makeSymbolicLink(name, in: parent, target: target, by: driver.caller)
                }
            case .createExclusively(let path):
                let handle = try await driver.open(path, [.writeOnly, .create, .exclusive], permissions: 0o600)
                try await driver.close(handle)
            case .unlink(let path):
                try await driver.withParent(path) { parent, name throws(Errno) in
                    try await driver.fileSystem.unlink(name, in: parent, by: driver.caller)
                }
            case .removeDirectory(let path):
                try await driver.withParent(path) { parent, name throws(Errno) in
                    try await driver.fileSystem.removeDirectory(name, in: parent, by: driver.caller)
                }
            case .exchange(let from, let to):
                _ = try await driver.with(from) { _, _ throws(Errno) in }
                try await driver.with(to) { _, _ throws(Errno) in
                    try await driver.withParent(from) { parent, name throws(Errno) in
                        try await driver.withParent(to) { newParent, newName throws(Errno) in
                            try await driver.fileSystem.rename(
                                name, in: parent, to: newName, in: newParent, flags: .exchange, by: driver.caller)
                        }
                    }
                }
            case .rename(let from, let to):
                // The kernel walks to both directories first, and looks the old name up.
                _ = try await driver.with(from) { _, _ throws(Errno) in }
                let (newParent, entry, held) = try await driver.walk(ReferenceModel.parent(of: to))
                defer { driver.forget(held) }
                if let entry, entry.attributes.type != .directory { throw .notDirectory }
                let newName = FileName(String(to.split(separator: "/").last!))!
                try await driver.withParent(from) { parent, name throws(Errno) in
                    try await driver.fileSystem.rename(
                        name, in: parent, to: newName, in: newParent, flags: [], by: driver.caller)
                }
            case .chmod(let path, let mode): try await driver.setAttributes(path) { $0.permissions = mode }
            case .chown(let path, let owner, let group):
                try await driver.setAttributes(path) { changes in
                    changes.owner = owner
                    changes.group = group
                }
            case .touch(let path, let time, let access):
                try await driver.setAttributes(path) { changes in
                    changes.modificationTime = .at(Timestamp(seconds: time, nanoseconds: 5))
                    changes.accessTime = access.map { .at(Timestamp(seconds: $0, nanoseconds: 7)) }
                }
            case .setExtended(let path, let name, let value, let flag):
                try await driver.with(path) { node, _ throws(Errno) in
                    try await driver.fileSystem.setExtendedAttribute(
                        name, of: node, to: value, mustCreate: flag == .create, mustReplace: flag == .replace,
                        by: driver.caller)
                }
            case .setList(let path, let list, let isInherited):
                try await driver.with(path) { node, entry throws(Errno) in
                    // The kernel's own: a link has no list.
                    if entry?.attributes.type == .symbolicLink { throw .notSupportedOnSocket }
                    try await driver.fileSystem.setExtendedAttribute(
                        isInherited ? ModelAccessList.inheritedName : ModelAccessList.accessName, of: node,
                        to: list.value, mustCreate: false, mustReplace: false, by: driver.caller)
                }
            case .readExtended(let path, let name):
                return .bytes(
                    try await driver.with(path) { node, _ throws(Errno) in
                        if let now = driver.fileSystem.extendedAttributeNow(name, of: node) { return try now.get() }
                        return try await driver.fileSystem.extendedAttribute(name, of: node)
                    })
            case .removeExtended(let path, let name):
                try await driver.with(path) { node, _ throws(Errno) in
                    try await driver.fileSystem.removeExtendedAttribute(name, of: node, by: driver.caller)
                }
            case .list(let path): return .names(try await driver.list(path))
            case .handle(let operation): return try await operation.perform(on: driver, &slots)
            }
            return .done
        } catch {
            return .failed(error)
        }
    }

    private func write(_ bytes: [UInt8], to handle: HandleID, _ driver: FileSystemDriver) async throws(Errno) {
        // In three writes, so that they have to be put together.
        var offset = 0
        for part in 1...3 {
            let end = bytes.count * part / 3
            if end > offset { try await driver.write(handle, at: Int64(offset), Array(bytes[offset..<end])) }
            offset = end
        }
        try await driver.close(handle)
    }

    private func make(
        _ path: String, _ driver: FileSystemDriver, _ body: (NodeID, FileName) async throws(Errno) -> Entry
    ) async throws(Errno) {
        try await driver.withParent(path) { parent, name throws(Errno) in
            let entry = try await body(parent, name)
            driver.fileSystem.forget(entry.node, lookups: 1)
        }
    }
}
