// swift-tools-version: 6.2
import PackageDescription

// What Pail costs beside the network: the file system alone over a store in memory, the same mounted, and a file system that does
// nothing mounted by Pail's own kernel side. A package of its own, so that building Pail does not build it: see `run` beside this file.

let strict: [SwiftSetting] = [.swiftLanguageMode(.v6)]
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let fileSystem: [Target.Dependency] = [
    .product(name: "Mount", package: "pail"), .product(name: "FileSystem", package: "pail"),
    .product(name: "ObjectStore", package: "pail"),
]

let package = Package(
    name: "FileSystemBenchmarks",
    dependencies: [
        .package(name: "pail", path: "../.."),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        // malloc and its kin, counted. Swift's runtime and all libraries allocate by them.
        .target(name: "CAllocations"),
        .target(name: "Measuring", dependencies: ["CAllocations"], swiftSettings: strict),
        .executableTarget(
            name: "NullFuse", dependencies: fileSystem + ["Measuring", logging, system], swiftSettings: strict),
        .executableTarget(
            name: "InMemory",
            dependencies: fileSystem + [
                .product(name: "ObjectStoreTesting", package: "pail"), "Measuring", logging, system,
            ],
            swiftSettings: strict),
    ]
)
