using Barkeep.Common;

namespace Barkeep.Packs;

/// <summary>Reads frames of packs and compares every page with its hash. One a thread.</summary>
public sealed class FrameCheck : IDisposable
{
    readonly FrameCodec _codec = new();
    readonly byte[] _stored = new byte[FrameCodec.MaxRawLength];
    readonly byte[] _raw = new byte[FrameCodec.MaxRawLength];

    /// <summary>Checks one frame.</summary>
    /// <param name="hurt">Takes the ordinals of its pages that cannot be had.</param>
    /// <returns>What is wrong with it; null when it is sound.</returns>
    public async ValueTask<(ErrorKind Kind, string How)?> RunAsync(PackReader pack, int number, PageSet hurt, CancellationToken cancellationToken)
    {
        var frame = pack.Index.Frames[number];
        (ErrorKind, string)? wrong = null;
        try
        {
            var pages = await pack.ReadFrameAsync(number, _codec, _stored, _raw, cancellationToken);
            for (var page = 0; page < frame.Pages; page++)
            {
                var position = frame.FirstPosition + page;
                if (FrameCodec.HashOf(pages.Span.Slice(page * Page.Size, Page.Size)) != pack.Index.HashAt(position))
                {
                    hurt.Add(pack.Index.OrdinalAt(position), 1);
                    wrong = (ErrorKind.Damaged, "pages in it do not match their hashes");
                }
            }
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.Storage)
        {
            for (var page = 0; page < frame.Pages; page++)
            {
                hurt.Add(pack.Index.OrdinalAt(frame.FirstPosition + page), 1);
            }
            wrong = (e.Kind, e.Message);
        }
        return wrong;
    }

    public void Dispose() => _codec.Dispose();
}
