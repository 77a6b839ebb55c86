"""How does a Transformer translate, token by token?"""

from app import explanations, panels, sidebar, state
from app.progress import progress_bar
from app.starting import start_torch

panels.question(explanations.TRANSLATION_QUESTION)
with panels.guarded():
    from app import translation_controls

    translation_controls.text_row()
with panels.guarded(), progress_bar("Translating") as tell:
    # Late, since it takes seconds the first time.
    start_torch()
    from app import translation_engine
    from app.translation_panel import translation_panel

    selection = state.selection()
    translations = []
    for name in translation_engine.translators(selection):
        loaded = sidebar.loaded_model(translation_engine.translation_selection(selection, name))
        translations.append(translation_engine.translation(selection, name, loaded, tell))
with panels.guarded():
    translation_controls.doubts(translations)
    translation_panel(translations)
