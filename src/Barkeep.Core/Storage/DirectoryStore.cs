using System.Buffers;
using System.IO.Enumeration;
using System.Security.Cryptography;
using Barkeep.Common;

namespace Barkeep.Storage;

/// <summary>
/// Objects in a directory. What it promises, and what any later store must promise too:
/// an object appears whole and durable or not at all; a name is given once (put-if-absent, also between processes);
/// objects never change, but for one that another is put in the place of as a whole; what was put is found by get, length and list at once; deleting what is not there succeeds.
/// </summary>
public sealed class DirectoryStore(string root)
{
    /// <summary>What to do about an object that is not what was put.</summary>
    internal const string WhenDamaged = "restore the repository's copy of it, or use another backup";

    const string UnfinishedDirectory = "tmp";
    const int OwnDirectoryDepth = 3;

    static readonly SearchValues<char> NameCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    static readonly EnumerationOptions OneLevel = new() { AttributesToSkip = 0, IgnoreInaccessible = false };
    static readonly EnumerationOptions EveryFile = new() { RecurseSubdirectories = true, AttributesToSkip = 0, IgnoreInaccessible = false };

    /// <summary>Awaited before each operation, which it is told: by it, tests choose who of several goes on.</summary>
    public Func<string, ValueTask>? BeforeEach { get; init; }

    /// <summary>The directory that holds the objects; it need not exist yet.</summary>
    public string Root { get; } = Path.GetFullPath(root);

    /// <summary>Begins a new object. Nothing is visible until it is published.</summary>
    public async ValueTask<ObjectWriter> CreateAsync(string name, CancellationToken cancellationToken)
    {
        await BeginAsync("create", name, cancellationToken);
        var final = PathOf(name);
        var directory = Path.Combine(Root, UnfinishedDirectory);
        Durable.CreateDirectory(directory);
        try
        {
            while (true)
            {
                var temporary = Path.Combine(directory, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12)));
                var file = File.OpenHandle(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite);
                // A sweep may come between the file's creation and its mark.
                if (DutyLock.TryMark(file, temporary) && File.Exists(temporary))
                {
                    Possession.Give(file, temporary);
                    return new(name, file, temporary, final, BeforeEach);
                }
                file.Dispose();
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"creating object {name} in {Root}");
        }
    }

    /// <summary>Put-if-absent of a small object; durable when it returns true.</summary>
    /// <returns>False when the name is taken.</returns>
    public async ValueTask<bool> PutAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        using var writer = await CreateAsync(name, cancellationToken);
        await writer.WriteAsync(content, cancellationToken);
        return await writer.PublishAsync(cancellationToken);
    }

    /// <summary>Opens an object for reading; null when there is none.</summary>
    public async ValueTask<ObjectReader?> TryOpenAsync(string name, CancellationToken cancellationToken)
    {
        await BeginAsync("open", name, cancellationToken);
        try
        {
            return new(name, File.OpenHandle(PathOf(name), share: FileShare.ReadWrite | FileShare.Delete, options: FileOptions.SequentialScan));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"opening object {name} in {Root}");
        }
    }

    /// <summary>Opens an object that must be there.</summary>
    /// <exception cref="BarkeepException">ObjectMissing.</exception>
    public async ValueTask<ObjectReader> OpenAsync(string name, CancellationToken cancellationToken) =>
        await TryOpenAsync(name, cancellationToken)
        ?? throw Missing(name);

    /// <summary>The whole of a small object; null when there is none.</summary>
    /// <exception cref="BarkeepException">Damaged when it is larger than <paramref name="limit"/> bytes.</exception>
    public async ValueTask<byte[]?> TryGetAsync(string name, int limit, CancellationToken cancellationToken)
    {
        using var reader = await TryOpenAsync(name, cancellationToken);
        if (reader is null)
        {
            return null;
        }
        if (reader.Length > limit)
        {
            throw new BarkeepException(ErrorKind.Damaged, $"object {name} has {reader.Length} bytes where at most {limit} belong", WhenDamaged);
        }
        var content = new byte[reader.Length];
        await reader.ReadAsync(0, content, cancellationToken);
        return content;
    }

    /// <summary>Whether there is an object of that name.</summary>
    public async ValueTask<bool> ExistsAsync(string name, CancellationToken cancellationToken)
    {
        await BeginAsync("look for", name, cancellationToken);
        return File.Exists(PathOf(name));
    }

    /// <summary>All objects whose names begin with a prefix that ends in <c>/</c>, in ordinal order of their names.</summary>
    public async ValueTask<IReadOnlyList<StoredObject>> ListAsync(string prefix, CancellationToken cancellationToken)
    {
        await BeginAsync("list", prefix, cancellationToken);
        var found = new List<StoredObject>();
        foreach (var (path, length) in Enumerate(prefix, static (ref entry) => (entry.ToFullPath(), entry.Length)))
        {
            AddFound(found, path, length);
        }
        found.Sort(static (a, b) => string.CompareOrdinal(a.Name, b.Name));
        return found;
    }

    /// <summary>As <see cref="ListAsync"/>, the names alone: nobody looks at the files.</summary>
    public async ValueTask<IReadOnlyList<string>> ListNamesAsync(string prefix, CancellationToken cancellationToken)
    {
        await BeginAsync("list", prefix, cancellationToken);
        var names = new List<string>();
        foreach (var path in Enumerate(prefix, static (ref entry) => entry.ToFullPath()))
        {
            if (path[(Root.Length + 1)..] is var name && IsName(name))
            {
                names.Add(name);
            }
        }
        names.Sort(StringComparer.Ordinal);
        return names;
    }

    /// <summary>Removes an object, durably when it returns. One that is not there is no error.</summary>
    public async ValueTask DeleteAsync(string name, CancellationToken cancellationToken)
    {
        await BeginAsync("delete", name, cancellationToken);
        // Below these, directories come and go with backups and WAL, by the thousand.
        Durable.Remove(PathOf(name), withDirectory: name.AsSpan().Count('/') >= OwnDirectoryDepth);
    }

    /// <summary>When it returns, what a listing of this prefix did not show any more is gone for good, whoever has removed it.</summary>
    public async ValueTask SettleAsync(string prefix, CancellationToken cancellationToken)
    {
        await BeginAsync("settle", prefix, cancellationToken);
        Durable.FlushNearest(PathOf(prefix.TrimEnd('/')));
    }

    /// <summary>Removes directories below a prefix that deletions which were cut off have left empty. A writer that is about to use one makes it again.</summary>
    public async ValueTask SweepEmptyAsync(string prefix, CancellationToken cancellationToken)
    {
        await BeginAsync("sweep", prefix, cancellationToken);
        var directory = PathOf(prefix.TrimEnd('/'));
        if (Directory.Exists(directory))
        {
            foreach (var child in Directory.EnumerateDirectories(directory).SelectMany(Directory.EnumerateDirectories).ToList())
            {
                Durable.RemoveEmptyDirectory(child);
            }
        }
    }

    /// <summary>Removes what writers that are gone have left unfinished; a living writer's lock protects its file.</summary>
    /// <returns>How many files were removed.</returns>
    public int SweepUnfinished()
    {
        var directory = Path.Combine(Root, UnfinishedDirectory);
        if (!Directory.Exists(directory))
        {
            return 0;
        }
        var removed = 0;
        foreach (var file in Directory.EnumerateFiles(directory))
        {
            using var claim = DutyLock.TryClaimAbandoned(file);
            if (claim is not null)
            {
                File.Delete(file);
                removed++;
            }
        }
        return removed;
    }

    ValueTask BeginAsync(string operation, string name, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return BeforeEach?.Invoke($"{operation} {name}") ?? ValueTask.CompletedTask;
    }

    internal BarkeepException Missing(string name) =>
        new(ErrorKind.ObjectMissing, $"object {name} is not in {Root}", "the repository has lost it; restore the repository from its copy, or use another backup");

    // Not DirectoryInfo: it makes an object and asks who we are for each file, and there are thousands.
    List<T> Enumerate<T>(string prefix, FileSystemEnumerable<T>.FindTransform look)
    {
        var directory = PathOf(prefix.TrimEnd('/'));
        try
        {
            var found = Listed(() => FilesOf(directory, look, OneLevel));
            // Of the thousands of directories that a prefix has, each core takes some.
            var children = Listed(() => Directory.EnumerateDirectories(directory));
            var parts = new List<T>[children.Count];
            Parallel.For(0, children.Count, i => parts[i] = Listed(() => FilesOf(children[i], look, EveryFile)));
            found.AddRange(parts.SelectMany(static p => p));
            return found;
        }
        catch (Exception e) when (((e as AggregateException)?.InnerException ?? e) is var cause && cause is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(cause, $"listing {directory}");
        }
    }

    // Directories come and go with backups and WAL: one that is not there holds nothing.
    static List<T> Listed<T>(Func<IEnumerable<T>> list)
    {
        try
        {
            return [.. list()];
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    }

    static FileSystemEnumerable<T> FilesOf<T>(string directory, FileSystemEnumerable<T>.FindTransform look, EnumerationOptions options) =>
        new(directory, look, options) { ShouldIncludePredicate = static (ref entry) => !entry.IsDirectory };

    // What bears no object's name was put there by somebody else; what vanishes meanwhile was deleted.
    void AddFound(List<StoredObject> found, string path, long length)
    {
        var name = path[(Root.Length + 1)..];
        // No object is empty: this one was deleted between the listing and the look at its length, or is damaged.
        if (IsName(name) && (length > 0 || File.Exists(path)))
        {
            found.Add(new(name, length));
        }
    }

    string PathOf(string name) =>
        IsName(name) ? Path.Combine(Root, name) : throw new BarkeepException(ErrorKind.HostilePath, $"'{name}' is no object name");

    static bool IsName(ReadOnlySpan<char> name)
    {
        foreach (var range in name.Split('/'))
        {
            var part = name[range];
            if (part.Length is 0 or > 255 || part is "." or ".." || part.ContainsAnyExcept(NameCharacters))
            {
                return false;
            }
        }
        return true;
    }
}
