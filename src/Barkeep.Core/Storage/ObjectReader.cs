using Barkeep.Common;
using Microsoft.Win32.SafeHandles;

namespace Barkeep.Storage;

/// <summary>Reads ranges of one object. Safe for several threads at once.</summary>
public sealed class ObjectReader : IDisposable
{
    readonly SafeFileHandle _file;

    internal ObjectReader(string name, SafeFileHandle file)
    {
        _file = file;
        Name = name;
        Length = RandomAccess.GetLength(file);
    }

    public string Name { get; }

    /// <summary>Stored bytes.</summary>
    public long Length { get; }

    /// <summary>Fills the buffer from the object's bytes at an offset.</summary>
    /// <exception cref="BarkeepException">Damaged when the object ends before the buffer is full; Storage when it cannot be read.</exception>
    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var filled = 0;
        try
        {
            while (filled < buffer.Length)
            {
                var count = RandomAccess.Read(_file, buffer.Span[filled..], offset + filled);
                if (count == 0)
                {
                    throw new BarkeepException(ErrorKind.Damaged, $"object {Name} is cut short: it ends at {offset + filled} bytes", DirectoryStore.WhenDamaged);
                }
                filled += count;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"reading object {Name}");
        }
        return ValueTask.CompletedTask;
    }

    public void Dispose() => _file.Dispose();
}
