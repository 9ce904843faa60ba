using Barkeep.Common;
using Barkeep.Storage;

namespace Barkeep.Repo;

/// <summary>A lineage's packs. A pack's name is <c>&lt;backup id&gt;/&lt;number&gt;</c>, after the backup that wrote it; any manifest may refer to it.</summary>
public sealed class PackStore
{
    const string Prefix = "packs/";

    readonly DirectoryStore _store;
    readonly string _root;

    internal PackStore(DirectoryStore store, string root)
    {
        _store = store;
        _root = root;
    }

    /// <summary>Begins the series of packs that a backup writes.</summary>
    public PackSeries Begin(BackupId backup) => new(_store, _root, backup);

    /// <param name="name">As a manifest names it: <c>20261123T131251/0001</c>.</param>
    /// <exception cref="BarkeepException">ObjectMissing, Damaged, NewerRepository.</exception>
    public ValueTask<PackReader> OpenAsync(string name, CancellationToken cancellationToken) =>
        PackReader.OpenAsync(_store, _root, Prefix + name, cancellationToken);

    /// <summary>All packs' names, with their stored bytes.</summary>
    public async Task<IReadOnlyList<StoredObject>> ListAsync(CancellationToken cancellationToken) =>
        [.. (await _store.ListAsync(_root + Prefix, cancellationToken)).Select(o => o with { Name = o.Name[(_root.Length + Prefix.Length)..] })];

    public ValueTask DeleteAsync(string name, CancellationToken cancellationToken) =>
        _store.DeleteAsync(_root + Prefix + name, cancellationToken);

    internal static string ObjectOf(string pack) => Prefix + pack;
}
