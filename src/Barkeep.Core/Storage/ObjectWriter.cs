using Barkeep.Common;
using Microsoft.Win32.SafeHandles;

namespace Barkeep.Storage;

/// <summary>
/// Writes one object from its beginning to its end. It exists for others only after it was named, by <see cref="PublishAsync"/> or <see cref="SupersedeAsync"/>;
/// disposing it earlier leaves nothing behind.
/// </summary>
public sealed class ObjectWriter : IDisposable
{
    const long WritebackStep = 8 << 20;

    readonly SafeFileHandle _file;
    readonly string _temporary;
    readonly string _final;
    long _begun;
    readonly Func<string, ValueTask>? _beforeEach;
    bool _published;

    internal ObjectWriter(string name, SafeFileHandle file, string temporary, string final, Func<string, ValueTask>? beforeEach)
    {
        _beforeEach = beforeEach;
        Name = name;
        _file = file;
        _temporary = temporary;
        _final = final;
    }

    public string Name { get; }

    /// <summary>Bytes written so far.</summary>
    public long Length { get; private set; }

    /// <exception cref="BarkeepException">DiskFull, Storage.</exception>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            RandomAccess.Write(_file, bytes.Span, Length);
        }
        catch (IOException e)
        {
            throw Errno.From(e, $"writing {_final}");
        }
        Length += bytes.Length;
        if (Length - _begun >= WritebackStep)
        {
            Durable.BeginFlush(_file, _begun, Length - _begun);
            _begun = Length;
        }
        return ValueTask.CompletedTask;
    }

    /// <summary>Put-if-absent. When it returns true, the object is complete and durable under its name.</summary>
    /// <returns>False when an object of that name exists: it is untouched, and this one is dropped.</returns>
    /// <exception cref="BarkeepException">DiskFull, Storage: the object may or may not exist, and is whole if it does.</exception>
    public ValueTask<bool> PublishAsync(CancellationToken cancellationToken) => NameAsync(Durable.Publish, cancellationToken);

    /// <summary>Puts it in the place of an object of that name, or of none: a reader sees either, whole. Complete and durable when it returns.</summary>
    /// <exception cref="BarkeepException">DiskFull, Storage: the one or the other is there.</exception>
    public async ValueTask SupersedeAsync(CancellationToken cancellationToken) =>
        await NameAsync(
            static (temporary, final) =>
            {
                Durable.Supersede(temporary, final);
                return true;
            },
            cancellationToken);

    async ValueTask<bool> NameAsync(Func<string, string, bool> name, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await (_beforeEach?.Invoke($"put {Name}") ?? ValueTask.CompletedTask);
        Durable.Flush(_file, _temporary);
        var directory = Path.GetDirectoryName(_final)!;
        while (true)
        {
            Durable.CreateDirectory(directory);
            try
            {
                return _published = name(_temporary, _final);
            }
            catch (BarkeepException) when (!Directory.Exists(directory))
            {
                // Whoever deleted the last object in it has just removed it.
            }
        }
    }

    public void Dispose()
    {
        if (!_published)
        {
            File.Delete(_temporary);
        }
        _file.Dispose();
    }
}
