using System.Text;
using Barkeep.Common;
using Barkeep.Storage;

namespace Barkeep.Repo;

/// <summary>Restores a manifest's paths from their shared prefixes and holds them to the rules: valid, ascending, below directories that are there.</summary>
sealed class PathOrder(string manifest)
{
    static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    readonly HashSet<string> _directories = new(StringComparer.Ordinal);
    byte[] _previous = [];

    /// <exception cref="BarkeepException">Damaged, HostilePath.</exception>
    public string Next(int shared, ReadOnlySpan<byte> rest, ManifestEntryKind kind)
    {
        if (shared > _previous.Length)
        {
            throw Record.Damaged(manifest, "a path shares more than the one before it has");
        }
        byte[] bytes = [.. _previous.AsSpan(0, shared), .. rest];
        if (_previous.AsSpan().SequenceCompareTo(bytes) >= 0)
        {
            throw new BarkeepException(ErrorKind.HostilePath, $"{manifest} names a path twice or out of order", "the manifest was not written by Barkeep or was altered: do not restore from it");
        }
        _previous = bytes;
        var path = Decode(bytes);
        PathGrammar.Check(manifest, path, kind);
        if (kind == ManifestEntryKind.Directory)
        {
            _directories.Add(path);
        }
        var slash = path.LastIndexOf('/');
        if (kind != ManifestEntryKind.External && slash > 0 && !_directories.Contains(path[..slash]))
        {
            throw new BarkeepException(ErrorKind.HostilePath, $"{manifest} names '{path}' in a directory that it does not have", "the manifest was not written by Barkeep or was altered: do not restore from it");
        }
        return path;
    }

    string Decode(byte[] bytes)
    {
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw Record.Damaged(manifest, "a path is not UTF-8");
        }
    }
}
